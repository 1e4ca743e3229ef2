"""What is believed of a container that answers: nothing beyond what can be stored and sent."""

import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sandbox.box import Box, BoxLostError, Command
from sandbox.engine import Container
from sandbox.inside.frames import HEAD, packed
from sandbox.model import ExitFacts
from tests.support.sandboxes import LIMITS

COMMAND = Command(argv=("/bin/true",), limits=LIMITS)
ANSWER: dict[str, Any] = {
    "exit_status": 0,
    "signal": None,
    "stopped": "",
    "cpu_s": 0.25,
    "wall_s": 1,
    "delayed_s": 0.5,
    "peak_memory_bytes": 1 << 40,
    "largest_process_bytes": 1 << 20,
    "together_bytes": 1 << 21,
    "out_of_memory_kills": 0,
    "stdout_cut": False,
    "stderr_cut": False,
    "failure": "",
    "unfit": "",
    "made_bytes": 0,
}


def _piece(frame: bytes) -> bytes:
    """Returns a frame as Docker passes it on."""
    return b"\x01\0\0\0" + len(frame).to_bytes(4, "big") + frame


@contextlib.asynccontextmanager
async def _answering(frame: bytes) -> AsyncGenerator[Box, None]:
    """Gives a box whose container is ready, and answers with a frame."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - the standard library's
    with theirs:
        theirs.sendall(_piece(packed({"ready": True, "toolchains": "{}"})) + _piece(frame))
        box = await Box.over(Container("scripted", ours))
        try:
            yield box
        finally:
            box.close()


async def _facts(frame: bytes) -> ExitFacts:
    async with _answering(frame) as box:
        return await box.run(COMMAND)


async def test_an_answer_within_its_bounds_is_read() -> None:
    facts = await _facts(packed(ANSWER, (b"out", b"err")))
    assert (facts.exit_status, facts.signal, facts.cpu_s, facts.wall_s) == (0, None, 0.25, 1.0)
    assert (facts.stdout, facts.stderr, facts.peak_memory_bytes) == (b"out", b"err", 1 << 40)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("exit_status", "signal") for value in (1 << 31, -1, 1.5, "0")),
        *(
            (name, value)
            for name in ("cpu_s", "wall_s", "delayed_s")
            for value in (float("inf"), float("nan"), 1 << 2000, 1e300, "1", True)
        ),
        *(
            (name, value)
            for name in (
                "peak_memory_bytes",
                "largest_process_bytes",
                "out_of_memory_kills",
            )
            for value in (1 << 63, -1, float("inf"), None)
        ),
        ("stopped", "no such reason"),
    ],
)
async def test_a_figure_that_cannot_be_is_an_answer_of_nobody(name: str, value: object) -> None:
    with pytest.raises(BoxLostError, match="cannot be read"):
        await _facts(packed({**ANSWER, name: value}, (b"", b"")))


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b"1" * 10_000, b"\xff", b"[]", b'{"blobs": [0]}', b'{"blobs": [1, -1]}'],
)
async def test_a_header_of_any_kind_loses_the_container_and_no_more(text: bytes) -> None:
    with pytest.raises(BoxLostError):
        await _facts(HEAD.pack(len(text)) + text)


async def test_a_figure_that_is_missing_is_an_answer_of_nobody() -> None:
    for name in ANSWER:
        left = {each: value for each, value in ANSWER.items() if each != name}
        with pytest.raises(BoxLostError):
            await _facts(packed(json.loads(json.dumps(left)), (b"", b"")))
