"""What the daemon's answers and its silence turn into."""

import io
import socket
from pathlib import Path

import pytest
from docker.errors import DockerException

from sandbox.images.answers import followed
from sandbox.images.daemon import connect, problem_of
from sandbox.images.errors import ImageError
from sandbox.images.progress import Progress
from sandbox.runner import UnavailableError


def _follow(*answers: dict[str, str]) -> None:
    followed(answers, Progress(io.StringIO()))


def test_a_step_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(ImageError) as caught:
        _follow(
            {"stream": "Step 1/3 : FROM base\n"},
            {"stream": "of the first step\n"},
            {"stream": "Step 2/3 : RUN false\n"},
            {"stream": "\x1b[91mE: no such package\x1b[0m\n"},
            {"error": "The command returned a non-zero code: 100"},
        )

    assert str(caught.value) == (
        "at 'RUN false': E: no such package: The command returned a non-zero code: 100"
    )


def test_a_full_disk_is_told_with_its_cure() -> None:
    with pytest.raises(ImageError, match=r"the disk is full: free 4 GB .*docker system prune"):
        _follow({"error": "write /usr/bin/cc: no space left on device"})


def test_answers_without_an_error_pass() -> None:
    _follow({"status": "Pulling"}, {"stream": "\n"}, {"aux": ""})


def test_no_socket_means_that_docker_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    with pytest.raises(UnavailableError, match=r"not running here, or not installed: install"):
        connect()


def test_a_socket_where_nobody_listens_means_a_stopped_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "docker.sock"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

        with pytest.raises(UnavailableError, match="daemon is stopped: start it"):
            connect()


def test_a_socket_that_is_not_for_this_user_is_told_with_its_cure() -> None:
    within = ConnectionError("aborted", PermissionError(13, "Permission denied"))

    assert "usermod -aG docker" in problem_of(DockerException(within))


def test_another_failure_is_told_as_it_is() -> None:
    assert "(read timed out)" in problem_of(TimeoutError("read timed out"))
