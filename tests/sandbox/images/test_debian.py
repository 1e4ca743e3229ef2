"""What a base image from debootstrap takes, told before anything is begun."""

import io
import os
from pathlib import Path

import docker
import pytest

from sandbox.images.debian import import_debian
from sandbox.images.errors import ImageError
from sandbox.images.progress import Progress


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only one there is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _make_debian() -> None:
    nobody = docker.DockerClient(base_url="unix:///nobody.sock", version="1.41")
    try:
        import_debian(nobody, "base", "label=1", "no registry answers", Progress(io.StringIO()))
    finally:
        nobody.close()


def _add_debootstrap(tools: Path, script: str) -> None:
    (tools / "debootstrap").write_text(f"#!/bin/sh\n{script}\n")
    (tools / "debootstrap").chmod(0o755)


@pytest.mark.usefixtures("tools")
def test_without_debootstrap_it_says_how_to_get_it() -> None:
    with pytest.raises(ImageError, match=r"no registry answers.*apt-get install debootstrap"):
        _make_debian()


def test_it_takes_root(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _add_debootstrap(tools, "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ImageError, match="needs root, this once: sudo make sandbox-image"):
        _make_debian()


def test_what_debootstrap_says_last_is_told(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_debootstrap(tools, "echo I: Retrieving; echo E: Invalid Release signature >&2; exit 1")
    keys = tmp_path / "keys.gpg"
    keys.touch()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("sandbox.images.apt._DEFAULT_KEYRING", str(keys))
    monkeypatch.setattr("sandbox.images.apt._CONFIGURATION", tmp_path)

    with pytest.raises(ImageError, match=r"debootstrap failed, saying: .*Invalid Release"):
        _make_debian()
