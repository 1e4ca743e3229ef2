"""The sandbox of a server, as its settings have it."""

import os

from sandbox.docker_runner import DockerRunner
from sandbox.images import image_named
from sandbox.model import MIB, Limits
from sandbox.no_runner import NoRunner
from sandbox.options import DockerOptions
from sandbox.runner import Runner
from server.settings import SandboxSettings

_DISABLED = "the sandbox is switched off: set enabled = true in [sandbox] of the server's settings"


def runner_for(settings: SandboxSettings) -> Runner:
    """Returns what runs programs; it asks nothing of Docker before it is used."""
    if not settings.enabled:
        return NoRunner(_DISABLED)
    concurrency = settings.concurrency or os.cpu_count() or 1
    return DockerRunner(
        DockerOptions(
            docker_host=settings.docker_host,
            image=image_named(settings.image),
            concurrency=concurrency,
            pool_size=concurrency if settings.pool_size is None else settings.pool_size,
            max_waiting=settings.max_waiting,
            runtime=settings.runtime,
        )
    )


def most_of(settings: SandboxSettings) -> Limits:
    """Returns the most that a request may ask for."""
    return Limits(
        cpu_s=settings.max_cpu_s,
        wall_s=settings.max_wall_s,
        memory_bytes=settings.max_memory_mib * MIB,
        output_bytes=settings.max_output_mib * MIB,
        processes=settings.max_processes,
    )
