"""Kinds A, A2, B, E: wherever a fault occurs, half a text is never returned as whole, and no text is doubled."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.providers.case import data
from tests.providers.feeding import Outcome, cut, feed
from tests.upstream.scripted_upstream import DONE, chunk, event, head, http_chunk
from worker.upstream import Ending
from worker.upstream.errors import UpstreamError

PIECES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8), min_size=1, max_size=6
)
PLACES = st.lists(st.integers(0, 3000), max_size=6)
FAILURES = st.sampled_from(
    [
        "abort",
        "ABORT",
        "aborted",
        "insufficient_system_resource",
        "network_error",
        "error",
        "Error",
        "failed",
        "modelUnloaded",
    ]
)
WORDS = "the provider broke off in the middle"


def wire_of(*events: bytes, ends: bool = True) -> bytes:
    """An event stream in one HTTP chunk for each event, and the chunk that ends it."""
    body = b"".join(map(http_chunk, events))
    return head(transfer_encoding="chunked") + body + (http_chunk(b"") if ends else b"")


def texts(pieces: list[str], finish_reasons: list[str | None]) -> list[bytes]:
    """A chunk for each piece, with its finish_reason beside it."""
    return [
        data({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": reason}]})
        for piece, reason in zip(pieces, finish_reasons, strict=True)
    ]


def assert_never_half(outcome: Outcome, whole: str) -> None:
    """Either all of the text and its end, or an error and the text as far as it came."""
    found, text = outcome
    if isinstance(found, Ending):
        assert text == whole
    else:
        assert whole.startswith(text)


def repeats_itself(pieces: list[str]) -> bool:
    """Whether a piece holds all the text before it: then nobody can tell it from a delta that repeats the text."""
    return any(
        "".join(pieces[:place]) and piece.startswith("".join(pieces[:place])) for place, piece in enumerate(pieces)
    )


@given(pieces=PIECES, early=st.data(), end=st.integers(0, 3000), places=PLACES)
def test_a_stream_that_says_stop_anywhere_is_whole_only_with_all_its_text(
    pieces: list[str], early: st.DataObject, end: int, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    reasons = early.draw(
        st.lists(st.sampled_from([None, "stop", "STOP", ""]), min_size=len(pieces), max_size=len(pieces))
    )
    wire = wire_of(*texts(pieces, reasons), chunk({}, "stop"), DONE)
    assert_never_half(feed(cut(wire[: end % (len(wire) + 1)], places)).outcomes[0], "".join(pieces))


@given(pieces=PIECES, reason=st.sampled_from(["stop", "STOP"]), places=PLACES)
def test_stop_beside_every_piece_and_a_clean_end_is_whole(pieces: list[str], reason: str, places: list[int]) -> None:
    assume(not repeats_itself(pieces))
    wire = wire_of(*texts(pieces, [reason] * len(pieces)), DONE)
    found, text = feed(cut(wire, places)).outcomes[0]
    assert isinstance(found, Ending), found
    assert (text, found.finish_reason) == ("".join(pieces), "stop")


@given(pieces=PIECES, done=st.booleans(), ends=st.booleans(), places=PLACES)
def test_a_model_that_gave_a_reason_once_is_held_to_it(
    pieces: list[str], done: bool, ends: bool, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    good = wire_of(chunk({"content": "Good."}), chunk({}, "stop"), DONE)
    later = wire_of(*texts(pieces, [None] * len(pieces)), *([DONE] if done else []), ends=ends)
    first, second = feed([good], cut(later, places), readings=2).outcomes
    assert isinstance(first[0], Ending)
    assert isinstance(second[0], UpstreamError)
    assert second[0].retryable
    assert "".join(pieces).startswith(second[1])


@given(pieces=PIECES, word=FAILURES, beside=st.booleans(), place=st.integers(0, 6), places=PLACES)
def test_a_finish_reason_that_says_failure_never_completes_a_text(
    pieces: list[str], word: str, beside: bool, place: int, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    reasons: list[str | None] = [None] * len(pieces)
    last = min(place, len(pieces) - 1)
    if beside:
        reasons[last] = word
    events = texts(pieces[: last + 1], reasons[: last + 1]) + ([] if beside else [chunk({}, word)])
    found, text = feed(cut(wire_of(*events, DONE), places)).outcomes[0]
    assert isinstance(found, UpstreamError)
    assert found.retryable
    assert text == "".join(pieces[: last + 1])


@given(pieces=PIECES, word=st.from_regex(r"x_[a-z]{1,12}", fullmatch=True), places=PLACES)
def test_a_finish_reason_that_nobody_knows_ends_the_text_and_is_kept(
    pieces: list[str], word: str, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    wire = wire_of(*texts(pieces, [None] * len(pieces)), chunk({}, word), DONE)
    found, text = feed(cut(wire, places)).outcomes[0]
    assert isinstance(found, Ending), found
    assert (text, found.finish_reason) == ("".join(pieces), word)


def errors_in(payload: dict[str, object]) -> list[bytes]:
    """One error in every place in which upstreams put it."""
    plain = json.dumps(payload).encode()
    return [
        event({"error": payload}),
        event({"choices": [], "error": payload}),
        event({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], "error": payload}),
        b"event: error\n" + event({"error": payload}),
        b"event: error\n" + event(payload),
        b"error: " + plain + b"\n\n",
        json.dumps({"error": payload}).encode() + b"\n\n",
        event({"choices": None, "base_resp": {"status_code": payload["code"], "status_msg": payload["message"]}}),
        event({"code": payload["code"], "msg": payload["message"]}),
        b"data: " + event({"error": payload}),
    ]


@given(
    pieces=PIECES,
    place=st.integers(0, 6),
    form=st.integers(0, 9),
    status=st.sampled_from([400, 401, 402, 413, 429, 500, 502, 503, 529]),
    places=PLACES,
)
def test_an_error_anywhere_in_a_stream_reaches_the_job(
    pieces: list[str], place: int, form: int, status: int, places: list[int]
) -> None:
    assume(not repeats_itself(pieces))
    before = pieces[: place % (len(pieces) + 1)]
    error = errors_in({"message": WORDS, "code": status})[form]
    found, text = feed(cut(wire_of(*texts(before, [None] * len(before)), error), places)).outcomes[0]
    assert isinstance(found, UpstreamError), found
    assert WORDS in found.message
    assert text == "".join(before)
    assert found.retryable is (status in (429, 500, 502, 503, 529))
