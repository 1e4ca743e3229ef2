"""A connection to Docker's daemon, or one sentence on why there is none."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException, Timeout

from sandbox.runner import UnavailableError

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_SOCKETS = "unix://"


def connect(
    timeout_s: float = 60.0,
    *,
    host: str = "",
    connections: int = 10,
    first_s: float | None = None,
) -> docker.DockerClient:
    """Returns a client of a daemon.

    Args:
        timeout_s: Seconds that it may be silent.
        host: Its address; empty for the one that the environment names.
        connections: Connections that are kept for calls at once.
        first_s: Seconds that it may take to answer first; `timeout_s` if `None`.

    Raises:
        UnavailableError: It does not answer.
    """
    try:
        _knock(host or os.environ.get("DOCKER_HOST") or _DEFAULT_HOST)
        settings: dict[str, Any] = {
            "timeout": timeout_s if first_s is None else first_s,
            "max_pool_size": connections,
        }
        client = (
            docker.DockerClient(base_url=host, **settings) if host else docker.from_env(**settings)
        )
        # It has told its version by now.
        timed: Any = client.api
        timed.timeout = timeout_s
    except (DockerException, RequestException, OSError) as error:
        raise UnavailableError(problem_of(error)) from error
    return client


def is_silent(error: BaseException) -> bool:
    """Says whether an error comes from a daemon that takes calls and does not answer them."""
    return any(isinstance(cause, Timeout | TimeoutError) for cause in _causes(error))


def _knock(host: str) -> None:
    """Connects once, since the client leaves its socket open where that fails."""
    if host.startswith(_SOCKETS):
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(host.removeprefix(_SOCKETS))


def problem_of(error: BaseException) -> str:
    """Returns why the daemon does not answer, and what to do, in one sentence."""
    causes = {type(cause) for cause in _causes(error)}
    if FileNotFoundError in causes:
        return (
            "Docker is not running here, or not installed: install Docker Engine "
            "(on Debian: sudo apt-get install docker.io) and start it (sudo systemctl start docker)"
        )
    if PermissionError in causes:
        return (
            "this user may not use Docker: join its group (sudo usermod -aG docker $USER) "
            "and log in again"
        )
    if ConnectionRefusedError in causes:
        return "Docker's daemon is stopped: start it (sudo systemctl start docker)"
    return f"Docker does not answer ({error}): see that its daemon runs (docker info)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Gives an error and all that led to it; clients of HTTP put some in arguments."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause in seen:
            continue
        seen.append(cause)
        yield cause
        waiting += [
            other
            for other in (cause.__cause__, cause.__context__, *cause.args)
            if isinstance(other, BaseException)
        ]
