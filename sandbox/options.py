"""How the sandbox over Docker is set up."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DockerOptions:
    """What `DockerRunner` is told.

    Attributes:
        docker_host: Address of the daemon, such as `unix:///run/docker.sock`; empty for
            the environment's default.
        image: Image of the containers, with its tag.
        concurrency: Programs that run at once.
        pool_size: Containers kept ready ahead.
        max_waiting: Programs that may wait before more are refused.
        runtime: Runtime of the containers, such as `runsc`; empty for the daemon's default.
    """

    docker_host: str
    image: str
    concurrency: int
    pool_size: int
    max_waiting: int
    runtime: str
