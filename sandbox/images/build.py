"""Builds the image, once: on a registry's base where one answers, else on debootstrap's."""

import os
from contextlib import suppress
from dataclasses import dataclass

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from sandbox.images.answers import explained, followed
from sandbox.images.context import (
    IMAGE,
    LABEL,
    base_label,
    context_archive,
    expected_label,
    own_base,
    own_image,
)
from sandbox.images.daemon import connect, problem_of
from sandbox.images.debian import SUITE, import_debian
from sandbox.images.errors import ImageError, NoRegistryError
from sandbox.images.progress import Progress
from sandbox.runner import UnavailableError

_REGISTRY_BASE = f"debian:{SUITE}-slim"
# A registry that is silent for longer does not answer.
_PULL_SILENCE_S = 20.0
# The daemon says nothing while it unpacks a large layer.
_BUILD_SILENCE_S = 1800
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How the image is built.

    Attributes:
        base: Image to build on; empty to find one.
        pull: Ask a registry for a base that is not here.
        force: Build anew, whatever there is.
    """

    base: str = ""
    pull: bool = True
    force: bool = False


def make_image(options: BuildOptions, progress: Progress) -> bool:
    """Makes sure that the image of this program is there.

    Returns:
        Whether it was built; false where it was there already.

    Raises:
        UnavailableError: Docker does not answer.
        ImageError: The image cannot be built.
    """
    client = connect()
    try:
        if not options.force and _is_named(client, own_image(), expected_label()):
            return False
        _build(client, _base(client, options, progress), options, progress)
        _remove_replaced(client)
    except DockerException as error:
        raise ImageError(explained(str(error))) from error
    except RequestException as error:
        raise UnavailableError(problem_of(error)) from error
    else:
        return True
    finally:
        client.close()


def _is_here(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _is_named(client: docker.DockerClient, name: str, label: str) -> bool:
    """Says whether an image with a label has a name, after giving it to one that had another."""
    try:
        if client.images.get(name).labels.get(LABEL) == label:
            return True
    except ImageNotFound:
        pass
    repository, _, tag = name.partition(":")
    found = client.images.list(filters={"label": f"{LABEL}={label}"})
    return any(image.tag(repository, tag) for image in found[:1])


def _base(client: docker.DockerClient, options: BuildOptions, progress: Progress) -> str:
    """Returns the name of the image to build on, after fetching or making it."""
    own = own_base()
    if not options.base and not options.force and _is_named(client, own, base_label()):
        return own
    wanted = options.base or _REGISTRY_BASE
    here = _is_here(client, wanted)
    if here and not options.force:
        return wanted
    try:
        _pull(wanted, options, progress)
    except NoRegistryError as error:
        if here:
            return wanted
        if options.base:
            raise
        import_debian(client, own, f"{LABEL}={base_label()}", str(error), progress)
        return own
    return wanted


def _pull(name: str, options: BuildOptions, progress: Progress) -> None:
    """Takes an image from its registry.

    Raises:
        NoRegistryError: It does not answer, or does not give it, or is not to be asked.
    """
    if not options.pull:
        raise NoRegistryError("no registry is asked")
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:
        repository, tag = name, "latest"
    client = connect(_PULL_SILENCE_S)
    try:
        with progress.step(f"pulling {name}"):
            followed(client.api.pull(repository, tag=tag, stream=True, decode=True), progress)
    except (APIError, ImageError, RequestException) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise NoRegistryError(f"no registry gives {name} ({reason})") from error
    finally:
        client.close()


def _build(
    client: docker.DockerClient, base: str, options: BuildOptions, progress: Progress
) -> None:
    own = base == own_base()
    arguments = {"BASE": base}
    arguments |= {name: os.environ[name] for name in _PROXIES if name in os.environ and not own}
    with progress.step(f"building {own_image()} on {base}"):
        answers = client.api.build(
            fileobj=context_archive(),
            custom_context=True,
            tag=own_image(),
            buildargs=arguments,
            decode=True,
            timeout=_BUILD_SILENCE_S,
            labels={LABEL: expected_label()},
            # All that it needs is in the own base.
            network_mode="none" if own else None,
            nocache=options.force,
            rm=True,
            forcerm=True,
        )
        followed(answers, progress)


def _remove_replaced(client: docker.DockerClient) -> None:
    """Removes images that newer ones have taken the name of."""
    for image in client.images.list(filters={"dangling": True, "label": LABEL}):
        # One that a container still uses stays until the next build.
        with suppress(APIError):
            client.images.remove(str(image.id))


def remove_others() -> list[str]:
    """Removes the images of other versions, and returns their names.

    Those stay that a container was made of: a server that runs now has need of it.

    Raises:
        UnavailableError: Docker does not answer.
        ImageError: It answers that it cannot.
    """
    client = connect()
    kept = {own_image(), own_base()}
    removed = []
    try:
        used = {each["ImageID"] for each in client.api.containers(all=True)}
        for image in client.images.list(filters={"label": LABEL}):
            if image.id in used:
                continue
            for name in image.tags:
                if name.partition(":")[0] in (IMAGE, f"{IMAGE}-base") and name not in kept:
                    client.images.remove(name)
                    removed.append(name)
    except DockerException as error:
        raise ImageError(explained(str(error))) from error
    except RequestException as error:
        raise UnavailableError(problem_of(error)) from error
    finally:
        client.close()
    return removed
