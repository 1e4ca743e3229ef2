"""Images of several versions on one machine: each has a name of its own, and old ones can go."""

import secrets
import sys
from collections.abc import Generator

import docker
import pytest

from sandbox.images import build
from sandbox.images.build import BuildOptions, make_image, remove_others
from sandbox.images.progress import Progress
from tests.support.sandboxes import client

pytestmark = pytest.mark.docker


@pytest.fixture
def daemon() -> Generator[docker.DockerClient, None, None]:
    with client() as made:
        yield made


@pytest.fixture
def repository(
    sandbox_image: str, daemon: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> Generator[str, None, None]:
    """Gives a name of images that stands for the usual one, with this version under it."""
    name = f"test-{secrets.token_hex(6)}"
    monkeypatch.setattr(build, "IMAGE", name)
    monkeypatch.setattr(build, "own_image", lambda: f"{name}:own")
    monkeypatch.setattr(build, "own_base", lambda: f"{name}-base:own")
    daemon.images.get(sandbox_image).tag(name, "own")
    try:
        yield name
    finally:
        for image in daemon.images.list():
            for tag in image.tags:
                if tag.startswith((f"{name}:", f"{name}-base:")):
                    daemon.images.remove(tag, force=True)


def _names(daemon: docker.DockerClient, repository: str) -> set[str]:
    found = (tag for image in daemon.images.list() for tag in image.tags)
    return {tag for tag in found if tag.startswith(repository)}


def test_an_image_that_has_only_another_name_is_not_built_again(
    daemon: docker.DockerClient, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.images.remove(f"{repository}:own")
    assert not make_image(BuildOptions(pull=False), Progress(sys.stderr))
    assert _names(daemon, repository) == {f"{repository}:own"}
    assert "building" not in capsys.readouterr().err


def test_the_images_of_other_versions_go_unless_a_container_has_need_of_them(
    daemon: docker.DockerClient, repository: str, sandbox_image: str
) -> None:
    used = _committed(daemon, sandbox_image, repository, "used")
    _committed(daemon, sandbox_image, repository, "idle")
    container = daemon.containers.create(used, ["/usr/bin/true"])
    try:
        assert remove_others() == [f"{repository}:idle"]
        assert _names(daemon, repository) == {f"{repository}:own", used}
    finally:
        container.remove(force=True)
    assert remove_others() == [used]


def _committed(daemon: docker.DockerClient, image: str, repository: str, tag: str) -> str:
    """Makes another image that has the label of all ours."""
    container = daemon.containers.create(image, ["/usr/bin/true", tag])
    try:
        container.commit(repository, tag, changes=f"ENV VERSION={tag}")
    finally:
        container.remove(force=True)
    return f"{repository}:{tag}"
