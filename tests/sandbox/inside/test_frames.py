"""Frames arrive as they were sent, over real pipes."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.inside.frames import HEAD, Frames, packed

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
HEADERS = st.dictionaries(st.text().filter(lambda key: key != "blobs"), VALUES, max_size=3)
# Around what is read at once, and more than a pipe holds.
SIZES = st.integers(0, 300) | st.sampled_from([65_535, 65_536, 65_537, 200_000])
BLOBS = st.lists(SIZES, max_size=3).map(
    lambda sizes: tuple(bytes([65 + number]) * size for number, size in enumerate(sizes))
)


@contextmanager
def _sent(*frames: tuple[dict[str, Any], tuple[bytes, ...]]) -> Generator[Frames, None, None]:
    """Gives the receiving end of frames that a thread sends, which may have to wait."""
    read_end, write_end = os.pipe()

    def send() -> None:
        sender = Frames(-1, write_end)
        for header, blobs in frames:
            sender.send(header, blobs)
        os.close(write_end)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield Frames(read_end, -1)
        thread.join()
    finally:
        os.close(read_end)


@given(st.lists(st.tuples(HEADERS, BLOBS), max_size=3))
def test_frames_arrive_as_they_were_sent(
    frames: list[tuple[dict[str, Any], tuple[bytes, ...]]],
) -> None:
    with _sent(*frames) as receiving:
        for header, blobs in frames:
            got = receiving.receive()
            assert got is not None
            assert got.pop("blobs") == [len(blob) for blob in blobs]
            assert got == header
            assert tuple(b"".join(receiving.blob(len(blob))) for blob in blobs) == blobs
        assert receiving.receive() is None


@given(HEADERS, BLOBS, st.data())
def test_a_frame_that_ends_early_is_the_end(
    header: dict[str, Any], blobs: tuple[bytes, ...], data: st.DataObject
) -> None:
    """The host went away in the middle: there is no header, or less of a blob."""
    whole = packed(header, blobs)
    head = HEAD.size + HEAD.unpack(whole[: HEAD.size])[0]
    size = data.draw(st.integers(0, min(len(whole), 60_000)))
    read_end, write_end = os.pipe()
    os.write(write_end, whole[:size])
    os.close(write_end)
    receiving = Frames(read_end, -1)
    got = receiving.receive()
    assert (got is None) == (size < head)
    if got is not None:
        rest = b"".join(b"".join(receiving.blob(length)) for length in got["blobs"])
        assert rest == whole[head:size]
    os.close(read_end)
