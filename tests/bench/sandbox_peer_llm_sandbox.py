"""llm-sandbox as a process: told in JSON, a line each, what to run; answers in the same way.

Run by the Python of an environment that has it, without this project.
"""

import importlib
import json
import logging
import sys
import tempfile
import time
from typing import Any


class _Peer:
    """Sessions of llm-sandbox over an image that is there."""

    def __init__(self, image: str) -> None:
        self._module: Any = importlib.import_module("llm_sandbox")
        self._image = image
        self._kept: Any = None

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Runs a program, in a session of its own or in the one that is kept."""
        kept = asked["session"] == "kept"
        begun = time.perf_counter()
        session = self._kept if kept and self._kept else self._opened(asked)
        if kept:
            self._kept = session
        answer = self._ran(session, asked)
        ran = time.perf_counter()
        answer["seconds"] = ran - begun
        if asked["session"] == "closed":
            session.close()
            answer["close_s"] = time.perf_counter() - ran
        elif not kept:
            session.container.remove(force=True)
        return answer

    def close(self) -> None:
        """Removes the session that was kept; closing it takes long, and was measured already."""
        if self._kept is not None:
            self._kept.container.remove(force=True)

    def _opened(self, asked: dict[str, Any]) -> Any:
        memory = f"{asked['memory_mib']}m"
        session = self._module.SandboxSession(
            lang="python",
            image=self._image,
            keep_template=True,
            skip_environment_setup=True,
            execution_timeout=asked["wall_s"],
            # The image starts nothing by itself, as Python's own image does.
            runtime_configs={
                "command": "python3",
                "mem_limit": memory,
                "memswap_limit": memory,
                "pids_limit": asked["processes"],
            },
        )
        try:
            session.open()
        except Exception:
            # It leaves a container that could not be started.
            if session.container is not None:
                session.container.remove(force=True)
            raise
        return session

    def _ran(self, session: Any, asked: dict[str, Any]) -> dict[str, Any]:
        outputs: list[str] = []
        if asked["inputs"] == [""]:
            try:
                result = session.run(asked["source"])
            except self._module.exceptions.SandboxTimeoutError as error:
                return {"outputs": [], "ending": [type(error).__name__], "fields": []}
            outputs.append(result.stdout[:1000])
        else:
            # It has no way to give a program its input but a shell's.
            with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
                file.write(asked["source"])
                file.flush()
                session.copy_to_runtime(file.name, "/sandbox/program.py")
            for stdin in asked["inputs"]:
                command = f"sh -c 'echo {stdin.strip()} | python3 /sandbox/program.py'"
                result = session.execute_command(command)
                outputs.append(result.stdout[:1000])
        return {
            "outputs": outputs,
            "ending": [result.exit_code],
            "fields": [name for name in vars(result) if not name.startswith("_")],
        }


def main() -> None:
    """Serves requests until standard input closes."""
    logging.disable(logging.CRITICAL)
    importlib.import_module("llm_sandbox.exceptions")
    peer = _Peer(sys.argv[1])
    try:
        for line in sys.stdin:
            try:
                answer = peer.answer(json.loads(line))
            except Exception as error:  # noqa: BLE001 - whatever the peer raises is its failure
                answer = {"failed": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    finally:
        peer.close()


if __name__ == "__main__":
    main()
