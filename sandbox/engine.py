"""What is asked of Docker Engine: containers made, attached to, bounded and removed.

The only module that knows the Docker client. Its methods block, and are called on
threads. Nothing that a user sends gets here: not the image, no option, no command.
"""

import contextlib
import itertools
import os
import random
import secrets
import socket
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from sandbox.endings import ran_out_of_memory
from sandbox.images.context import LABEL, expected_label
from sandbox.images.daemon import connect, is_silent, problem_of
from sandbox.languages import (
    BUILD,
    BUILD_BYTES,
    COMPILE_LIMITS,
    SHARED,
    SHARED_BYTES,
    WORK,
    WORK_BYTES,
)
from sandbox.model import MIB
from sandbox.options import DockerOptions
from sandbox.runner import UnavailableError
from sandbox.seccomp import profile

OWNER = "llm-crowdsourced.owner"
_NAME = "llm-crowdsourced"
# What the runner takes, its interpreter and its reserve, and the kernel for a program.
OVERHEAD_BYTES = 32 * MIB
_STARTED = "import sys; sys.path[:0] = ['/opt']; from sandbox.runner import main; main()"
_COMMAND = ["/usr/bin/python3", "-ISc", _STARTED]
_MOST_FILES = 16384
_MOST_SHARED = 1024
_PROCESSES = 320
# The kernel's own for a group, and each container's alike, whatever a daemon gives else.
_CPU_SHARES = 1024
# Two users for each container, so that limits which the kernel counts by user are its own.
_FIRST_USER, _USERS = 200_000, 400_000
_TIMEOUT_S = 20
# A daemon that works tells its version at once.
_FIRST_S = 3
# So long nobody else waits for one that did not answer.
_SILENT_S = 3.0
# Of those after the name, which may hold anything.
_STARTED_FIELD = 19
# What runtimes say of a limit below what is used.
_TAKEN = ("unable to set memory limit", "resource busy")
_RETRYABLE = (DockerException, requests.RequestException, OSError)


class MemoryTakenError(Exception):
    """A container uses more memory than it should be held to."""


@dataclass(frozen=True)
class Container:
    """A container that has been started.

    Attributes:
        id: Its id.
        stream: Attached to the runner's standard input and output, in Docker's framing.
    """

    id: str
    stream: socket.socket


class Engine:
    """A Docker daemon, wherever it runs.

    Args:
        options: Which daemon, image and runtime.
    """

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._client: docker.DockerClient | None = None
        self._lock = threading.Lock()
        self._connecting: Future[docker.DockerClient] | None = None
        self._silence, self._silent_until = "", 0.0
        self._left: set[str] = set()
        # Of the program that runs: its files may be another version's by the next container.
        self._label = expected_label()
        # Two servers on one machine should not begin with the same users.
        begin = random.randrange(_USERS // 2)  # noqa: S311 - not a secret
        self._pairs = itertools.count(begin)

    def problem(self) -> str:
        """Says why containers cannot be made, with the cure; empty if they can."""
        try:
            image = self._connected().images.get(self._options.image)
        except docker.errors.ImageNotFound:
            return f"the image {self._options.image} is not there: run make sandbox-image"
        except UnavailableError as error:
            return str(error)
        except _RETRYABLE as error:
            self._forget(error)
            return _why(error)
        return "" if image.labels.get(LABEL) == self._label else self._misfit()

    def create(self) -> Container:
        """Makes, attaches to and starts a container with a runner in it.

        Raises:
            UnavailableError: It could not be done.
        """
        # A name of ours, so that it can be removed when its id was never heard.
        name = f"{_NAME}-{secrets.token_hex(8)}"
        try:
            container = self._create(name)
        except _RETRYABLE as error:
            self._forget(error)
            self._left.add(name)
            if isinstance(error, APIError):
                self._remove_left()
            raise UnavailableError(self.problem() or _why(error)) from error
        self._remove_left()
        return container

    def limit_memory(self, container_id: str, memory_bytes: int) -> None:
        """Changes how much memory a container may use, swap included.

        Raises:
            MemoryTakenError: It uses more already.
            UnavailableError: It could not be done.
        """
        try:
            self._connected().api.update_container(
                container_id, mem_limit=memory_bytes, memswap_limit=memory_bytes
            )
        except _RETRYABLE as error:
            if isinstance(error, APIError) and any(sign in str(error) for sign in _TAKEN):
                raise MemoryTakenError(str(error)) from error
            raise UnavailableError(_why(error)) from error

    def ran_out_of_memory(self, container_id: str) -> bool:
        """Says whether a container that has ended was ended by the kernel, for want of memory."""
        try:
            return ran_out_of_memory(self._connected().api, container_id)
        except (*_RETRYABLE, UnavailableError):
            # Then it is a lost one like others.
            return False

    def remove(self, container_id: str) -> None:
        """Kills and removes a container, by id or name; none is left if it returns.

        Raises:
            UnavailableError: It could not be done now.
        """
        try:
            self._connected().api.remove_container(container_id, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            # It is being removed already, by the daemon itself.
            if error.status_code != requests.codes.conflict:
                raise UnavailableError(_why(error)) from error
        except _RETRYABLE as error:
            self._forget(error)
            raise UnavailableError(_why(error)) from error

    def sweep(self) -> int:
        """Removes what servers of this machine that are gone have left, and says how many.

        Raises:
            UnavailableError: The daemon was not there to be asked.
        """
        try:
            found = self._connected().api.containers(all=True, filters={"label": OWNER})
        except _RETRYABLE as error:
            self._forget(error)
            raise UnavailableError(_why(error)) from error
        left = [each["Id"] for each in found if _is_gone(each["Labels"][OWNER])]
        for container_id in left:
            with contextlib.suppress(UnavailableError):
                self.remove(container_id)
        return len(left)

    def close(self) -> None:
        """Closes the connections to the daemon."""
        self._remove_left()
        self._forget()

    def _remove_left(self) -> None:
        """Removes what a daemon that went away in the middle may have made."""
        for name in tuple(self._left):
            try:
                self.remove(name)
            except UnavailableError:
                return
            self._left.discard(name)

    def _misfit(self) -> str:
        return (
            f"the image {self._options.image} is of another version than this program: "
            "run make sandbox-image, and start a server anew that ran before it"
        )

    def _create(self, name: str) -> Container:
        api = self._connected().api
        compiler = _FIRST_USER + 2 * next(self._pairs) % _USERS
        container = api.create_container(
            self._options.image,
            [*_COMMAND, str(compiler), str(compiler + 1)],
            name=name,
            stdin_open=True,
            labels={OWNER: owner()},
            hostname="sandbox",
            working_dir="/",
            # It has nothing to put in order, and a host that shuts down waits for it.
            stop_signal="SIGKILL",
            user="0:0",
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            network_disabled=True,
            host_config=self._host_config(api, compiler),
        )["Id"]
        # Of the very image that it was made of: its name may stand for another by now.
        if api.inspect_container(container)["Config"]["Labels"].get(LABEL) != self._label:
            self._left.add(name)
            self._remove_left()
            raise UnavailableError(self._misfit())
        # Before it starts, so that nothing it says is missed. Standard input is closed
        # with the attachment, which ends a container whose server is gone.
        attached = api.attach_socket(
            container, params={"stdin": 1, "stdout": 1, "stream": 1, "logs": 0}
        )
        stream = _own_socket(attached)
        try:
            api.start(container)
        except BaseException:
            stream.close()
            raise
        return Container(container, stream)

    def _host_config(self, api: docker.APIClient, compiler: int) -> dict[str, object]:
        memory = COMPILE_LIMITS.memory_bytes + OVERHEAD_BYTES
        work = f"rw,exec,nosuid,nodev,size={WORK_BYTES},nr_inodes={_MOST_FILES},mode=1777"
        build = (
            f"rw,exec,nosuid,nodev,size={BUILD_BYTES},nr_inodes={_MOST_FILES},"
            f"mode=755,uid={compiler},gid={compiler}"
        )
        shared = f"rw,noexec,nosuid,nodev,size={SHARED_BYTES},nr_inodes={_MOST_SHARED},mode=1777"
        queues = "ro,noexec,nosuid,nodev,size=4k"
        options = self._options
        config: dict[str, object] = api.create_host_config(
            network_mode="none",
            read_only=True,
            tmpfs={WORK: work, BUILD: build, SHARED: shared, "/dev/mqueue": queues},
            cap_drop=["ALL"],
            cap_add=["SETUID", "SETGID", "KILL"],
            security_opt=["no-new-privileges", f"seccomp={profile()}"],
            ipc_mode="none",
            mem_limit=memory,
            memswap_limit=memory,
            pids_limit=_PROCESSES,
            cpu_shares=_CPU_SHARES,
            log_config=docker.types.LogConfig(type="none"),
            auto_remove=True,
            runtime=options.runtime or None,
            init=False,
            ulimits=[docker.types.Ulimit(name="core", soft=0, hard=0)],
        )
        return config

    def _connected(self) -> docker.DockerClient:
        """Returns the client, one thread connecting for all that ask meanwhile.

        Raises:
            UnavailableError: The daemon does not answer, or did not a moment ago.
        """
        with self._lock:
            if self._client is not None:
                return self._client
            is_known = self._connecting is not None or time.monotonic() < self._silent_until
            if self._silence and is_known:
                raise UnavailableError(self._silence)
            connecting, is_mine = self._connecting, self._connecting is None
            if connecting is None:
                connecting = self._connecting = Future()
        if not is_mine:
            try:
                return connecting.result()
            except UnavailableError as error:
                raise UnavailableError(str(error)) from error
        try:
            client = self._connect()
        except BaseException as error:
            with self._lock:
                self._connecting = None
                self._note_silence(error)
            connecting.set_exception(error)
            raise
        with self._lock:
            self._client, self._connecting, self._silence = client, None, ""
        connecting.set_result(client)
        return client

    def _note_silence(self, error: BaseException) -> None:
        self._silence = _why(error) if is_silent(error) else ""
        self._silent_until = time.monotonic() + _SILENT_S

    def _connect(self) -> docker.DockerClient:
        return connect(
            _TIMEOUT_S,
            host=self._options.docker_host,
            connections=2 * self._options.concurrency + self._options.pool_size + 4,
            first_s=_FIRST_S,
        )

    def _forget(self, error: BaseException | None = None) -> None:
        with self._lock:
            if error is not None:
                self._note_silence(error)
            client, self._client = self._client, None
        if client is not None:
            client.close()


def _own_socket(attached: object) -> socket.socket:
    """Returns a socket of ours to what the client has attached to."""
    inner = getattr(attached, "_sock", attached)
    if not isinstance(inner, socket.socket) or not hasattr(inner, "fileno"):
        raise UnavailableError("this connection to Docker cannot be attached to: use unix or tcp")
    mine = socket.socket(fileno=os.dup(inner.fileno()))
    mine.setblocking(False)  # noqa: FBT003 - the standard library's
    attached.close()  # type: ignore[attr-defined]
    inner.close()
    return mine


def owner() -> str:
    """Returns what names this process on this machine, also once it is gone."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def _is_gone(name: str) -> bool:
    """Says whether a process is known to be gone; one of another machine is not."""
    machine, _, process = name.partition("/")
    pid, _, started = process.partition("/")
    return machine == _machine() and pid.isdigit() and _started(int(pid)) != started


def _machine() -> str:
    """Returns what names the processes of this host that are seen from here.

    A server in a container has numbers of its own, and may have the host's name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}:{boot}:{namespace}"


def _started(pid: int) -> str:
    """Returns when a process began, as the kernel counts it; empty if there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[_STARTED_FIELD]


def _why(error: BaseException) -> str:
    """Says in one sentence why Docker does not do what it should, with the cure."""
    if isinstance(error, UnavailableError):
        return str(error)
    if isinstance(error, APIError):
        return f"Docker refused: {error.explanation or error}"
    return problem_of(error)
