"""Kinds C, D, K, N: whatever stands beside a text, and however events are framed, the text is the same."""

import json
from itertools import accumulate, pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.providers.case import data, usage
from tests.providers.feeding import cut, feed
from tests.providers.test_any_fault import PIECES, PLACES, repeats_itself, texts, wire_of
from tests.upstream.scripted_upstream import DONE, chunk, event, head
from worker.upstream import Ending
from worker.upstream.errors import UpstreamError

ENDS = [b"\n\n", b"\r\n\r\n", b"\n", b"\r\n", b"\n\n\n"]
PREFIXES = [b"data: ", b"data:", b"data: data: ", b"data:data:", b""]
NOTHINGS: list[dict[str, object]] = [
    {"function_call": {"name": "", "arguments": ""}},
    {"tool_calls": []},
    {"tool_calls": None, "refusal": "", "audio": None},
    {"tool_calls": [{"index": 0, "function": {"name": "", "arguments": ""}}]},
    {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}]},
    {"reasoning_content": "They want it.", "reasoning": None},
    {"reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA"}]},
    {"role": "", "name": "x", "extra": {"a": [1, None]}},
]
LASTS: list[dict[str, object]] = [{"delta": {}}, {"delta": []}, {"delta": None}, {}]
BESIDE: list[dict[str, object]] = [
    {"error": None},
    {"error": {"message": "", "type": "", "param": "", "code": None}},
    {"error": {}},
    {"error": ""},
    {"error": "null"},
    {"base_resp": {"status_code": 0, "status_msg": ""}},
    {"citations": ["https://example.org"], "search_results": []},
    {"usage": None},
    {"usage": {"prompt_tokens": "9", "completion_tokens": -1, "total_tokens": 1.5}},
    {"provider": "p", "created": "1", "id": 5, "model": None},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)
WORDS = st.lists(
    st.sampled_from(["The ", "history ", "of ", "tea ", "begins ", "in ", "the ", "south, "]), min_size=4, max_size=12
)


def read_whole(wire: bytes, places: list[int], **options: Any) -> tuple[Ending, str]:
    """The ending and the text; fails if it is read as an error."""
    found, text = feed(cut(wire, places), **options).outcomes[0]
    assert isinstance(found, Ending), f"{type(found).__name__}: {found}"
    return found, text


@given(pieces=PIECES, drawn=st.data(), places=PLACES)
def test_no_field_beside_a_text_costs_the_text(pieces: list[str], drawn: st.DataObject, places: list[int]) -> None:
    assume(not repeats_itself(pieces))
    events: list[bytes] = []
    for piece in pieces:
        delta = {"content": piece, **drawn.draw(st.sampled_from(NOTHINGS))}
        choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": drawn.draw(JSON)}
        events.append(data({"choices": [choice], "x_unknown": drawn.draw(JSON), **drawn.draw(st.sampled_from(BESIDE))}))
    last: dict[str, object] = drawn.draw(st.sampled_from(LASTS))
    end = event({"choices": [{"index": 0, "finish_reason": "stop", **last}]})
    assert read_whole(wire_of(*events, end, DONE), places)[1] == "".join(pieces)


@given(pieces=PIECES, drawn=st.data(), named=st.booleans(), places=PLACES)
def test_an_event_on_one_line_is_read_however_it_is_framed(
    pieces: list[str], drawn: st.DataObject, named: bool, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    end = drawn.draw(st.sampled_from(ENDS))
    prefix = drawn.draw(st.sampled_from(PREFIXES))
    field = "message" if named else "delta"
    escapes = drawn.draw(st.lists(st.booleans(), min_size=len(pieces), max_size=len(pieces)))
    payloads = [
        json.dumps({"choices": [{"index": 0, field: {"content": piece}}]}, ensure_ascii=escape)
        for piece, escape in zip(pieces, escapes, strict=True)
    ]
    payloads.append(json.dumps({"choices": [{"index": 0, field: {}, "finish_reason": "stop"}]}))
    body = b"".join(prefix + payload.encode() + end for payload in [*payloads, "[DONE]"])
    assert read_whole(head(content_length=str(len(body))) + body, places)[1] == "".join(pieces)


@given(words=WORDS, places=PLACES)
def test_deltas_that_repeat_the_whole_text_are_never_stored_doubled(words: list[str], places: list[int]) -> None:
    whole = "".join(words)
    repeated = list(accumulate(words))
    found, text = feed(cut(wire_of(*texts(repeated, [None] * len(words)), chunk({}, "stop"), DONE), places)).outcomes[0]
    assert whole.startswith(text)
    if isinstance(found, Ending):
        assert text == whole
    else:
        assert isinstance(found, UpstreamError)


@given(pieces=PIECES, places=PLACES)
def test_an_ordinary_text_is_never_trimmed(pieces: list[str], places: list[int]) -> None:
    # Two pieces in a row that each hold all before them are what a repeating upstream sends.
    assume(not repeats_itself(pieces))
    wire = wire_of(*texts(pieces, [None] * len(pieces)), chunk({}, "stop"), DONE)
    assert read_whole(wire, places)[1] == "".join(pieces)


@given(
    line=st.sampled_from(["\n", "ha", " ha", "- tea\n", "import x\n", "</div>\n"]),
    times=st.integers(2, 8),
    places=PLACES,
)
def test_a_text_that_repeats_a_line_is_never_trimmed(line: str, times: int, places: list[int]) -> None:
    pieces = [*[line] * times, "The end."]
    wire = wire_of(*texts(pieces, [None] * len(pieces)), chunk({}, "stop"), DONE)
    assert read_whole(wire, places)[1] == "".join(pieces)


@given(
    totals=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=6),
    in_choice=st.booleans(),
    places=PLACES,
)
def test_usage_is_the_largest_of_each_count_and_never_0(
    totals: list[tuple[int, int]], in_choice: bool, places: list[int]
) -> None:
    def with_usage(counts: dict[str, object]) -> bytes:
        inside: dict[str, object] = {"usage": counts} if in_choice else {}
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": None, **inside}
        return event({"choices": [choice], **({} if in_choice else {"usage": counts})})

    wire = wire_of(chunk({"content": "Tea."}), *(with_usage(usage(*each)) for each in totals), chunk({}, "stop"), DONE)
    found = read_whole(wire, places)[0].usage
    largest = [max(counts) or None for counts in zip(*totals, strict=True)]
    assert ([found.input_tokens, found.output_tokens] if found else [None, None]) == largest


@given(thoughts=st.text("they want tea<>/\n ", max_size=20), pieces=PIECES, places=PLACES, cuts=PLACES, drawn=st.data())
def test_thoughts_at_the_beginning_are_no_text(
    thoughts: str, pieces: list[str], places: list[int], cuts: list[int], drawn: st.DataObject
) -> None:
    answer = "Tea " + "".join(pieces)
    assume("</think>" not in thoughts)
    whole = f"<think>{thoughts}</think>\n\n{answer}"
    edges = [0, *sorted({place % len(whole) for place in cuts}), len(whole)]
    parts = [whole[start:end] for start, end in pairwise(edges) if start < end]
    assume(not repeats_itself(parts))
    wire = wire_of(*texts(parts, [None] * len(parts)), chunk({}, "stop"), DONE)
    assert read_whole(wire, places, think_tags=True)[1] == answer
