"""`python -m sandbox.images` as people and make call it."""

from pathlib import Path

import pytest

from sandbox.images.__main__ import main
from sandbox.images.context import own_image


@pytest.fixture
def no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.mark.usefixtures("no_docker")
def test_without_docker_it_fails_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "install Docker Engine" in said


@pytest.mark.usefixtures("no_docker")
def test_the_set_up_goes_on_without_docker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--optional"]) == 0

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "mathematics leagues do without" in said
    assert "make sandbox-image" in said


@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
def test_an_image_that_is_there_is_not_built_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert main(["--optional"]) == 0

    assert capsys.readouterr().err == f"sandbox image: {own_image()} is up to date\n"
