"""Events of very many JSON values: the text of them is exact, and no other stream waits for what stands beside it."""

import json
import time
from collections.abc import Iterator

import pytest

from worker.upstream import lean
from worker.upstream.answer import Answer
from worker.upstream.errors import ErrorInStream, LineTooLong, MalformedChunk
from worker.upstream.lean import count_values

NEST = "[[[[[[]]]]]],"
HEAVY = "[" + NEST * 80_000 + "0]"
STRINGS = '["' + '","' * 200_000 + '"]'


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many values were read at once."""
    counted: list[int] = []
    loads = lean._loads

    def count(text: bytes) -> object:
        counted.append(count_values(text))
        return loads(text)

    monkeypatch.setattr(lean, "_loads", count)
    yield counted
    assert all(values <= lean.MOST_LOGPROBS_VALUES for values in counted)


class Reader:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answer = Answer(self.texts.append, 1 << 24)

    def take(self, *payloads: str) -> "Reader":
        for payload in payloads:
            self.answer.take(payload.encode())
        return self

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def message(self) -> dict[str, object]:
        return self.answer.ending(is_whole=True).message or {}


def chunk(delta: str = '"content":"x, [y]"', *, top: str = "", choice: str = "") -> str:
    return f'{{{top}"choices":[{{"index":0,{choice}"delta":{{{delta}}}}}]}}'


PLACES = {
    "usage": lambda heavy: chunk(top=f'"usage":{{"a":{heavy},"completion_tokens":3}},'),
    "citations": lambda heavy: chunk(top=f'"citations":{heavy},'),
    "search results": lambda heavy: chunk(top=f'"search_results":{heavy},'),
    "an unknown field": lambda heavy: chunk(top=f'"zz":{heavy},'),
    "the id": lambda heavy: chunk(top=f'"id":{heavy},'),
    "x_groq": lambda heavy: chunk(top=f'"x_groq":{{"usage":{{"a":{heavy}}}}},'),
    "logprobs": lambda heavy: chunk(choice=f'"logprobs":{{"content":{heavy}}},'),
    "annotations": lambda heavy: chunk(f'"annotations":{heavy},"content":"x, [y]"'),
    "reasoning details": lambda heavy: chunk(f'"reasoning_details":{heavy},"content":"x, [y]"'),
    "Ollama's form": lambda heavy: f'{{"message":{{"content":"x, [y]","zz":{heavy}}},"done":false}}',
    "DashScope's form": lambda heavy: f'{{"zz":{heavy},"output":{chunk()}}}',
    "a list of one": lambda heavy: "[" + chunk(top=f'"zz":{heavy},') + "]",
}


@pytest.mark.parametrize("heavy", [HEAVY, STRINGS], ids=["brackets", "strings"])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_heavy_beside_a_text_is_left_out_and_the_text_is_exact(place: str, heavy: str, read: list[int]) -> None:
    between = chunk('"content":" and "')
    reader = Reader().take(PLACES[place](heavy), between, PLACES[place](heavy.replace("0", "1")))

    assert reader.text == "x, [y] and x, [y]"
    assert sum(read) < 1000


@pytest.mark.parametrize(
    "delta",
    [f'"content":{HEAVY}', f'"tool_calls":{HEAVY}', f'"function_call":{{"name":"f","arguments":{HEAVY}}}'],
    ids=["content", "tool calls", "a function call"],
)
def test_a_text_or_a_call_of_too_many_values_fails_the_attempt_and_is_never_cut(delta: str, read: list[int]) -> None:
    with pytest.raises(LineTooLong, match="more than 20000 JSON values"):
        Reader().take(chunk(delta))
    assert sum(read) < 1000


def test_a_heavy_error_is_an_error(read: list[int]) -> None:
    with pytest.raises(ErrorInStream, match=r"\[\[\["):
        Reader().take(f'{{"error":{HEAVY}}}')
    assert sum(read) < 1000


@pytest.mark.parametrize("form", [f'{{"choices":{HEAVY}}}', '{"message":' * 50_000, f'{{"a":NaN,"b":{HEAVY}}}' * 2])
def test_a_heavy_event_that_is_no_chunk_is_malformed(form: str, read: list[int]) -> None:
    with pytest.raises(MalformedChunk):
        Reader().take(form)
    assert sum(read) < 1000


def test_what_is_beside_a_text_is_read_until_its_budget_is_spent_and_then_left_out(read: list[int]) -> None:
    reader = Reader()
    for number in range(200):
        reader.take(chunk(top=f'"citations":[{number},{"[]," * 5000}0],'))

    assert reader.text == "x, [y]" * 200
    assert sum(read) < lean.MOST_VALUES_OF_ANSWER + 200 * 100


def test_who_sends_nothing_but_what_is_left_out_fails() -> None:
    reader, heavy = Reader(), PLACES["citations"](HEAVY)
    reader.take(*[heavy] * 15)
    with pytest.raises(LineTooLong, match="left out"):
        reader.take(*[heavy] * 2)


def test_sources_that_come_again_with_every_delta_are_read_once(read: list[int]) -> None:
    sources = json.dumps([{"title": f"t{n}", "url": f"https://a.b/{n}", "date": None} for n in range(50)])
    reader = Reader()
    for _ in range(5000):
        reader.take(chunk('"content":"x"', top=f'"search_results":{sources},'))

    assert reader.text == "x" * 5000
    assert reader.message["search_results"] == json.loads(sources)
    assert sum(values > lean.FREE_VALUES for values in read) == 1


def logprobs_of(token: str) -> str:
    top = [{"token": f"{token}{n}", "logprob": -n - 0.5, "bytes": [97, 98]} for n in range(20)]
    return json.dumps({"content": [{"token": token, "logprob": -0.25, "bytes": [97], "top_logprobs": top}]})


def test_logprobs_with_twenty_others_for_each_token_are_kept_and_cost_no_citations() -> None:
    one, reader = logprobs_of("a"), Reader()
    for _ in range(1500):
        reader.take(chunk('"content":"a, b"', choice=f'"logprobs":{one},'))
    reader.take(chunk('"content":"."', top='"citations":["https://a.b"],"usage":{"completion_tokens":1500},'))

    logprobs = reader.message["logprobs"]
    assert isinstance(logprobs, dict)
    assert logprobs["content"] == json.loads(one)["content"] * 1500
    assert reader.message["citations"] == ["https://a.b"]
    assert reader.text == "a, b" * 1500 + "."


def test_logprobs_of_a_long_answer_are_dropped_and_nothing_else() -> None:
    one, reader = logprobs_of("a"), Reader()
    for _ in range(8000):
        reader.take(chunk('"content":"a"', choice=f'"logprobs":{one},'))
    annotations = json.dumps([{"type": "url_citation", "url": f"https://a.b/{n}", "n": n} for n in range(40)])
    reader.take(chunk(f'"annotations":{annotations}', top='"usage":{"completion_tokens":8000},'))

    assert reader.text == "a" * 8000
    assert "logprobs" not in reader.message
    assert reader.message["logprobs_dropped"] is True
    assert reader.message["annotations"] == json.loads(annotations)
    usage = reader.answer.ending().usage
    assert usage is not None
    assert usage.output_tokens == 8000


@pytest.mark.parametrize(
    ("content", "logprob", "text"),
    [
        ("a", "NaN", "a"),
        ("NaN, -Infinity", "-Infinity", "NaN, -Infinity"),
        ("\\ud83d", "NaN", "\ufffd"),
        ("\x01", "0", "\x01"),
    ],
)
def test_a_heavy_event_that_strict_decoders_refuse_is_read(content: str, logprob: str, text: str) -> None:
    logprobs = logprobs_of("a").replace("-0.25", logprob)
    reader = Reader().take(chunk(f'"content":"{content}"', choice=f'"logprobs":{logprobs},'))
    reader.take(chunk('"content":"."'))

    assert reader.text == text + "."
    assert "logprobs" in reader.message


@pytest.mark.parametrize("kind", ["audio", "a call"])
def test_what_is_long_and_not_heavy_is_read_whole(kind: str) -> None:
    long = "a, [b], " * 60_000
    reader = Reader()
    if kind == "audio":
        long = long[:60_000]
        reader.take(
            chunk(json.dumps({"content": [{"type": "text", "text": "x"}, {"type": "audio", "data": long}]})[1:-1])
        )
        assert reader.message["other_parts"] == [{"type": "audio", "data": long}]
    else:
        arguments = json.dumps({"k": long})
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}
        reader.take(chunk(json.dumps({"tool_calls": [call]})[1:-1]))
        calls = reader.message["tool_calls"]
        assert isinstance(calls, list)
        assert calls[0]["function"] == {"name": "f", "arguments": arguments}


def test_a_whole_answer_is_read_the_same_way(read: list[int]) -> None:
    reader = Reader()
    body = PLACES["citations"](HEAVY).replace('"delta"', '"message"').encode()
    found = reader.answer.read_whole(body)
    assert isinstance(found, dict)
    reader.answer.take_whole(found, body)

    assert reader.text == "x, [y]"
    assert sum(read) < 1000


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('["' + 'a,b[{\\"' * 100 + '",{},[]]', 5),
        ('["' + "\\\\" * 100 + '",' + "[]," * 100 + "1]", 202),
        ("[" * 100, 100),
        ("1", 0),
    ],
)
def test_values_are_counted_outside_of_strings(text: str, values: int) -> None:
    assert count_values(text.encode()) == values


@pytest.mark.parametrize("letters", [60, 3_000_000])
def test_a_string_that_never_ends_is_searched_once(letters: int) -> None:
    """Sixty letters behind a quote and one NaN before it stopped a worker for good."""
    open_string = b'{"a":[' + b"1," * 80 + b'NaN],"b":"' + b"x" * letters
    began = time.process_time()
    with pytest.raises(ValueError, match="Unterminated string"):
        lean.decode_lean(open_string, lean.Budget())
    assert time.process_time() - began < 2


def test_numbers_that_are_none_are_mended_in_so_many_bytes_of_one_answer() -> None:
    budget = lean.Budget()
    event = b'{"a":[' + b"1," * 80 + b'NaN],"b":"' + b"NaN " * (1 << 18) + b'"}'
    for _ in range((16 << 20) // len(event)):
        assert lean.decode_lean(event, budget) is not None
    with pytest.raises(ValueError, match="too much beside it"):
        lean.decode_lean(event, budget)
