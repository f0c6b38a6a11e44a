"""What real servers sent, byte for byte as it came from the socket (`recorded/`), read whole and cut at any byte.

Recorded from `transformers serve` 5.24 and llama-cpp-python's server 0.3.36 with tiny random models, as
`tests/real_servers` starts them. What they wrote is read here a second time without the worker's code.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_servers.wire import WireAnswer, read_answer
from tests.upstream.reading import read
from tests.upstream.scripted_upstream import Script, ScriptedUpstream
from worker.upstream.ending import ReportedUsage
from worker.upstream.errors import EndedWithoutEnd, Rejected, ServerError, UpstreamError

RECORDED = Path(__file__).parent / "recorded"
WHOLE = [
    ("transformers_stop", "stop", ReportedUsage(27, None, 7, None, 34)),
    ("transformers_length", "length", None),
    ("transformers_length_in_a_character", "length", ReportedUsage(7, None, 4, None, 11)),
    ("llama_cpp_python_stop", "stop", None),
    ("llama_cpp_python_length", "length", None),
]
INTERRUPTED = ["llama_cpp_python_interrupted", "llama_cpp_python_interrupted_before_text"]


def recorded(name: str) -> tuple[bytes, WireAnswer]:
    """The bytes of an answer, and what they say."""
    received = (RECORDED / f"{name}.http").read_bytes()
    answer = read_answer(received)
    assert answer is not None
    return received, answer


def cut_anywhere(received: bytes) -> Iterator[Script]:
    """The same bytes in one piece, then in a few pieces, then in small ones."""
    yield [received]
    for seed, cuts in ((1, 3), (2, 20), (3, 200)):
        places = sorted(random.Random(seed).sample(range(1, len(received)), min(cuts, len(received) - 1)))
        yield [received[start:end] for start, end in zip([0, *places], [*places, len(received)], strict=True)]


@pytest.mark.parametrize(("name", "finish_reason", "usage"), WHOLE)
def test_a_whole_answer_gives_its_text_and_its_reason(
    name: str, finish_reason: str, usage: ReportedUsage | None
) -> None:
    received, answer = recorded(name)
    assert answer.is_whole
    for script in cut_anywhere(received):
        pieces: list[str] = []
        with ScriptedUpstream(script) as upstream:
            ending = read(upstream.url, pieces)
        assert "".join(pieces) == answer.text
        assert ending.finish_reason == finish_reason
        assert usage is None or ending.usage == usage


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_answer_that_another_request_interrupted_is_cut_although_it_says_done(name: str) -> None:
    """The server says `[DONE]`, without any finish_reason, and hangs up before its body has ended."""
    received, answer = recorded(name)
    assert answer.says_done
    assert not answer.finish_reasons
    assert not answer.is_complete
    for script in cut_anywhere(received):
        pieces: list[str] = []
        with ScriptedUpstream(script) as upstream, pytest.raises(EndedWithoutEnd) as caught:
            read(upstream.url, pieces)
        assert caught.value.code == "upstream_interrupted"
        assert "".join(pieces) == answer.text


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("transformers_wrong_model", ServerError, "Internal Server Error"),
        ("transformers_unknown_field", Rejected, "Unexpected fields in the request: {'frobnicate'}"),
        ("transformers_error_in_stream", UpstreamError, "Invalid prefix encountered while decoding stream"),
        ("llama_cpp_python_prompt_too_long", EndedWithoutEnd, "neither a finish_reason nor [DONE]"),
    ],
)
def test_an_error_is_told_in_the_servers_own_words(name: str, kind: type[UpstreamError], words: str) -> None:
    received, answer = recorded(name)
    for script in cut_anywhere(received):
        pieces: list[str] = []
        with ScriptedUpstream(script) as upstream, pytest.raises(kind) as caught:
            read(upstream.url, pieces)
        assert words in str(caught.value)
        assert "".join(pieces) == answer.text
