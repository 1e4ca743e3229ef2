"""Streams of events as the standard has them, and as endpoints send them besides."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.outcome import Outcome
from server.models.events import EventReader
from server.models.reply import ReplyReader
from tests.support.scripted_chat import ScriptedChat
from tests.support.scripted_endpoint import ScriptedReply

PIECES = (
    {"index": 0, "delta": {"content": "4"}},
    {"index": 0, "delta": {}, "finish_reason": "stop"},
)
BOM = "\ufeff"
WHOLE = '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}'


def stream(*choices: object, end: str = "\n\n", done: bool = True) -> str:
    """Returns a stream with an event for each choice."""
    events = [json.dumps({"choices": [choice]}) for choice in choices] + ["[DONE]"] * done
    return "".join(f"data: {event}{end}" for event in events)


GOOD = {
    "a mark of byte order": BOM + stream(*PIECES),
    "a mark of byte order before JSON": BOM + WHOLE,
    "retry first": "retry: 3000\n\n" + stream(*PIECES),
    "a comment first": ": ping\n\n" + stream(*PIECES),
    "another field first": "id: 1\nevent: message\n" + stream(*PIECES),
    "CR": stream(*PIECES, end="\r\r"),
    "CR LF": stream(*PIECES, end="\r\n\r\n"),
    "no empty lines": stream(*PIECES, end="\n"),
    "no last line": stream(*PIECES, end="\n\n", done=False).rstrip(),
    "no space": stream(*PIECES).replace("data: ", "data:"),
    "an empty event": "data:\n\ndata\n\n" + stream(*PIECES),
    "one event over several lines": f"data: {WHOLE[:12]}\ndata: {WHOLE[12:]}\n\ndata: [DONE]\n\n",
    "one event, indented": "".join(
        f"data: {line}\n" for line in json.dumps(json.loads(WHOLE), indent=1).splitlines()
    ) + "\n\ndata: [DONE]\n\n",
    "another choice before it": stream({"index": 1, "delta": {"content": "5"}}, *PIECES),
    "another choice after it": stream(*PIECES, {"index": 1, "finish_reason": "length"}),
    "another choice beside it": 'data: {"choices": [{"index": 1, "delta": {"content": "5"}}, '
    '{"index": 0, "delta": {"content": "4"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    "no numbers": stream({"delta": {"content": "4"}, "finish_reason": "stop"}),
}  # fmt: skip


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
async def test_a_stream_is_read_whatever_its_form(body: str) -> None:
    async with ScriptedChat(
        ScriptedReply(body=body, content_type="text/event-stream"), stream=True
    ) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.text) == (Outcome.OK, "4"), attempt.detail
    assert attempt.finish_reason == "stop"


@given(
    body=st.sampled_from([body for name, body in GOOD.items() if "JSON" not in name]),
    sizes=st.lists(st.integers(1, 40), min_size=1),
)
def test_it_reads_the_same_however_it_is_cut(body: str, sizes: list[int]) -> None:
    data, reader, at = body.encode(), ReplyReader(), 0
    for size in sizes * (len(data) // sum(sizes) + 1):
        reader.feed(data[at : at + size])
        at += size
    reader.close()
    assert (reader.text, reader.ending()) == ("4", reader.ending())
    assert reader.ending().outcome is Outcome.OK


async def test_choices_that_were_not_asked_for_are_no_reply() -> None:
    body = stream({"index": 1, "delta": {"content": "5"}, "finish_reason": "stop"})
    async with ScriptedChat(ScriptedReply(body=body), stream=True) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "bad_body"
    # Whole, it is the only one there is, however it is numbered.
    whole = '{"choices": [{"index": 1, "message": {"content": "4"}, "finish_reason": "stop"}]}'
    async with ScriptedChat(ScriptedReply(body=whole)) as chat:
        assert (await chat.ask()).text == "4"


def test_the_end_of_a_stream_is_heard_at_once() -> None:
    reader = ReplyReader()
    reader.feed(stream(*PIECES, done=False).encode() + b"data: [DONE]\n")
    assert reader.done


class Counted(bytes):
    """Bytes that count how many of them were looked through."""

    looked = 0

    def split(self, *args: object, **kwargs: object) -> list[bytes]:
        """Splits, as bytes do."""
        Counted.looked += len(self)
        return super().split(*args, **kwargs)  # type: ignore[arg-type]


def test_an_event_in_many_pieces_is_looked_through_once() -> None:
    reader, size, pieces = EventReader(), 1000, 2000
    reader.feed(b"data: ")
    for _ in range(pieces):
        reader.feed(Counted(b"x" * size))
    assert reader.waiting == size * pieces + len("data: ")
    assert reader.feed(b"\n\n") == ["x" * size * pieces]
    assert reader.waiting == 0
    assert Counted.looked == size * pieces


@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_limit_on_tokens_has_many_names(reason: str, stream: bool) -> None:
    async with ScriptedChat(ScriptedReply(text="4", finish_reason=reason), stream=stream) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.cause) == (Outcome.TRUNCATED, "length")
    assert attempt.finish_reason == reason
