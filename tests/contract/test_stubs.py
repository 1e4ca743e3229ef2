"""The contract is linted, formatted, and its stubs in the tree are those that it gives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.server_process import PROJECT

PROTO = PROJECT / "proto"
BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path = PROJECT) -> None:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_is_linted_and_formatted() -> None:
    run("buf", "lint", "proto")
    run("buf", "format", "-d", "--exit-code", "proto", "--path", "proto/llm_crowdsourced")


def test_the_stubs_are_those_of_the_contract(tmp_path: Path) -> None:
    shutil.copytree(PROTO, tmp_path / "proto")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "proto").rglob("*_pb2*"))}
    for path in before:
        path.unlink()
    protos = sorted(map(str, (tmp_path / "proto").rglob("*.proto")))
    services = [name for name in protos if name.endswith("_service.proto")]
    out = str(tmp_path / "proto")
    protoc = (sys.executable, "-m", "grpc_tools.protoc", "-I", out)
    run(*protoc, f"--python_out={out}", f"--mypy_out=quiet:{out}", *protos)
    run(*protoc, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services)
    after = {path: path.read_bytes() for path in sorted((tmp_path / "proto").rglob("*_pb2*"))}
    assert after == before
