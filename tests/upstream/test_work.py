"""What one event, part, line or read costs: as much as its own bytes, however much came before it.

All streams of a worker share one event loop, so what is slow for one of them stands in the way of all. Measured is work
and not time: calls, and the bytes of JSON that are read and written.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from worker.upstream import lenient, stream
from worker.upstream.answer import Answer
from worker.upstream.dialects.error_words import Trouble, troubles_of_words
from worker.upstream.errors import NotAStream
from worker.upstream.lean import Budget
from worker.upstream.reasoning import text_inside
from worker.upstream.sse import SSEParser, strip_fields
from worker.upstream.think_tags import ThinkTags
from worker.upstream.tool_call import ToolCall

LINEAR = 2.2
"""How much more work twice as much may be."""


def work_of(action: Callable[[], object]) -> int:
    """How many calls an action makes, and how many characters of JSON it reads and writes."""
    work = 0
    loads, dumps = json.loads, json.dumps

    def note(frame: FrameType, event: str, arg: object) -> None:
        nonlocal work
        work += event in ("call", "c_call")

    def counting_loads(text: str, **options: Any) -> Any:
        nonlocal work
        work += len(text)
        return loads(text, **options)

    def counting_dumps(value: object, **options: Any) -> str:
        nonlocal work
        text = dumps(value, **options)
        work += len(text)
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json, "loads", counting_loads)
        patch.setattr(json, "dumps", counting_dumps)
        sys.setprofile(note)
        try:
            action()
        finally:
            sys.setprofile(None)
    return work


def payload_of(delta: object) -> bytes:
    return json.dumps({"choices": [{"delta": delta}]}).encode()


def take_all(*payloads: bytes) -> Answer:
    answer = Answer(lambda _: None, 1 << 20)
    for payload in payloads:
        answer.take(payload)
    return answer


@pytest.mark.parametrize("count", [500, 4500])  # there is room for about 5000
def test_each_content_part_of_one_event_is_looked_at_once(count: int) -> None:
    payload = payload_of({"content": [{"type": 0}] * count})
    twice = payload_of({"content": [{"type": 0}] * (2 * count)})

    assert work_of(lambda: take_all(twice)) <= LINEAR * work_of(lambda: take_all(payload))


NOTES: dict[str, Callable[[object], bytes]] = {
    "annotations": lambda value: payload_of({"annotations": [value]}),
    "other_parts": lambda value: payload_of({"content": [{"type": "chart", "data": value}]}),
    "refusal": lambda value: payload_of({"refusal": str(value)}),
    "system_fingerprint": lambda value: json.dumps({"system_fingerprint": str(value), "usage": {"n": 1}}).encode(),
    "citations": lambda value: json.dumps({"citations": [value]}).encode(),
    "search_results": lambda value: json.dumps({"search_results": [value]}).encode(),
}


@pytest.mark.parametrize("small", [1, "\0"], ids=["kept", "not kept"])
@pytest.mark.parametrize("name", NOTES)
def test_a_small_note_costs_the_same_beside_many_kilobytes_of_notes(name: str, small: object) -> None:
    event = NOTES[name]
    before, many = event("x" * 60_000), [event(small), event([small])] * 300

    alone = work_of(lambda: take_all(*many))
    beside = work_of(lambda: take_all(before, *many)) - work_of(lambda: take_all(before))
    assert beside <= LINEAR * alone


def test_all_that_is_kept_beside_a_text_is_measured() -> None:
    """A note of another name needs its row in `NOTES`."""
    answer = take_all(*(event("said") for event in NOTES.values()))

    assert (answer.ending().message or {}).keys() == NOTES.keys()


def calls_payload(*pieces: tuple[str, str]) -> bytes:
    return payload_of(
        {"tool_calls": [{"index": 0, "function": {"name": name, "arguments": text}} for name, text in pieces]}
    )


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (lambda size: ("f", "[" + "1," * size), ("f", "")),
        (lambda size: ("f", '{"a":"' + "b" * size), ("f", "")),
    ],
    ids=["in a list", "in a string"],
)
def test_a_piece_of_a_tool_call_costs_the_same_beside_long_arguments(
    begin: Callable[[int], tuple[str, str]], more: tuple[str, str]
) -> None:
    def work_beside(size: int) -> int:
        first = begin(size)
        both = work_of(lambda: take_all(calls_payload(first), calls_payload(*[more] * 300)))
        return both - work_of(lambda: take_all(calls_payload(first)))

    assert work_beside(20_000) <= work_beside(200) + LINEAR * len(begin(20_000)[1])


def test_a_tool_call_that_comes_again_and_again_is_put_together_once() -> None:
    once = calls_payload(*[("f", "a")] * 500)
    twice = calls_payload(*[("f", "a")] * 1000)

    assert work_of(lambda: take_all(twice)) <= LINEAR * work_of(lambda: take_all(once))


def test_the_name_of_a_tool_call_has_an_end_however_many_pieces_it_comes_in() -> None:
    call = ToolCall()
    for number in range(1000):
        call.add(f"piece_{number}", "")

    assert len(call.name) < 2000


LINES: dict[str, tuple[bytes, bytes]] = {
    "stray": (b'{"k":"\n', b"}\n"),
    "stray, and blank ones between": (b'{"k":"\n', b"}\n\n"),
    "data": (b'data: {"k":"' + b"a" * 100_000 + b"\n", b"data: }\n"),
}


@pytest.mark.parametrize("kind", LINES)
def test_lines_that_may_end_an_object_do_not_have_it_read_again_for_ever(kind: str) -> None:
    first, line = LINES[kind]

    work = work_of(lambda: SSEParser().feed(b": begin\n" + first + line * 2000))

    calls_for_a_line = 40
    assert work <= (1 << 18) + 2 * len(first) + 2000 * calls_for_a_line


@pytest.mark.parametrize("fields", [1, 50_000])
def test_field_names_that_are_written_again_and_again_are_taken_away_at_once(fields: int) -> None:
    assert work_of(lambda: strip_fields(b"data: " * fields + b"{}")) < 10
    assert strip_fields(b" data: " * fields + b" {} ") == b"{}"


def test_each_of_many_glued_events_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stripped: list[bytes] = []

    def strip(payload: bytes) -> bytes:
        stripped.append(payload)
        return payload

    monkeypatch.setattr(lenient, "strip_fields", strip)
    event = b'{"choices":[]}'

    assert lenient.split_glued(event * 1000, Budget()) == [event] * 1000
    assert sum(map(len, stripped)) == 1000 * len(event)
    assert lenient.split_glued(b"{}" * 500_000, Budget()) == []


def test_a_whole_body_of_many_lines_lets_others_have_their_turn() -> None:
    body = b'{"k":"\n' + b"}\n" * 100_000
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read() -> None:
        beside = asyncio.create_task(others())
        try:
            await stream._take_whole("application/json", body, take_all())
        finally:
            beside.cancel()

    with pytest.raises(NotAStream):
        asyncio.run(read())
    assert turns >= len(body) // (64 << 10)


@pytest.mark.parametrize("thoughts", ["", "<think>so</think>"])
def test_white_space_before_a_text_is_held_back_up_to_a_bound(thoughts: str) -> None:
    tags = ThinkTags()
    given = "".join(tags.feed(" " * 1000) for _ in range(100))
    assert len(given) > 90_000

    few = ThinkTags()
    assert few.feed(" " * 4000) + few.feed(thoughts + " text") == ("text" if thoughts else " " * 4001 + "text")


def test_reasoning_that_is_nested_without_end_is_none() -> None:
    deep = json.dumps({"text": "so"})
    for _ in range(900):
        deep = f"[{deep}]"

    assert text_inside(json.loads(deep)) == ""
    assert text_inside([[[{"summary": [{"text": "so"}]}]]]) == "so"


def test_words_of_an_error_are_searched_once() -> None:
    assert troubles_of_words("The input token count (70000) must be less than 65536.") == {Trouble.TOO_LARGE}
    assert not troubles_of_words("input token count " * 4000 + "x" * 500 + " must be less")
