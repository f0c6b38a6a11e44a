"""The events of a Response as values: numbers that rise, and the same text from every place of it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.openai.response_events import Event, ResponseEvents
from api.openai.response_numbers import MARK, ROOM, TEXT, VOID, chains_up_to, diverged_by
from api.openai.response_object import response_usage
from jobs.lifecycle.responses import StoredResponse
from jobs.live.follower import Reasoning, Text
from jobs.model.records import Attempt, Job, Usage
from jobs.model.status import AttemptOutcome, JobStatus

JOB_ID = "job_01"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number: int, **changed: Any) -> Attempt:
    """An attempt that wrote ten bytes and was cut."""
    fields = dict.fromkeys(Attempt.__slots__)
    fields |= {"attempt": number, "worker": "w", "started_at": NOW, "outcome": AttemptOutcome.FAILED, "bytes": 10}
    return Attempt(**{**fields, "continued_bytes": 0, **changed})


def asked(text: str | None, *, status: JobStatus = JobStatus.COMPLETED, at: int = 1) -> StoredResponse:
    """A Response whose job has this text and came to this attempt."""
    fields: dict[str, Any] = dict.fromkeys(Job.__slots__)
    fields |= {"id": JOB_ID, "status": status, "attempt": at, "created_at": NOW, "metadata": {}, "model": "m"}
    return StoredResponse({"model": "m", "background": True}, Job(**fields), text)


BEGUN = asked(None, status=JobStatus.IN_PROGRESS)


def play(
    text: str, cuts: list[int], *, after: int = -1, at: int = 1, attempts: list[Attempt] | None = None
) -> list[Event]:
    """All events of a text that comes in these pieces."""
    events = ResponseEvents(JOB_ID, after)
    told = [*events.created(BEGUN), *events.begun(BEGUN), *events.switch_attempt(at, attempts or [])]
    for step in steps(text, cuts, at):
        told.extend(events.text(step))
    told.extend(events.end(asked(text, at=at)))
    return told


def steps(text: str, cuts: list[int], at: int) -> Iterator[Text]:
    """A text in pieces, cut before these characters."""
    places = sorted({0, *(cut % (len(text) + 1) for cut in cuts), len(text)})
    offset = 0
    for start, end in itertools.pairwise(places):
        piece = text[start:end]
        yield Text(at, offset, piece, offset + len(piece.encode()))
        offset += len(piece.encode())


def joined(events: list[Event]) -> list[Any]:
    """Events without their numbers, the deltas joined."""
    told: list[Any] = []
    for event in events:
        if event["type"] != "response.output_text.delta":
            told.append({name: value for name, value in event.items() if name != "sequence_number"})
        elif told and isinstance(told[-1], str):
            told[-1] += event["delta"]
        else:
            told.append(event["delta"])
    return told


TEXTS = st.text("aé茶👩 \n", min_size=1, max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=6)


@given(TEXTS, CUTS, CUTS, st.integers(0, 200))
def test_from_every_number_the_rest_is_what_follows_it_in_the_whole(
    text: str, cuts: list[int], other_cuts: list[int], place: int
) -> None:
    whole = play(text, cuts)
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))
    after = numbers[place % len(numbers)]
    rest = play(text, other_cuts, after=after)
    assert joined(rest) == joined([event for event in whole if event["sequence_number"] > after])
    assert all(event["sequence_number"] > after for event in rest)


@given(TEXTS, CUTS, st.integers(-1, 200))
def test_a_number_that_was_never_given_out_costs_no_character(text: str, cuts: list[int], after: int) -> None:
    rest = play(text, cuts, after=after)
    encoded = text.encode()
    start = min(max(0, after - TEXT), len(encoded))
    while 0 < start < len(encoded) and encoded[start] & 0xC0 == 0x80:
        start -= 1
    told = "".join(event["delta"] for event in rest if event["type"] == "response.output_text.delta")
    assert told.encode() == encoded[start:]
    assert all(event["sequence_number"] > after for event in rest)


def test_a_number_of_an_attempt_to_come_is_waited_for() -> None:
    assert play("text", [], after=4 * ROOM) == []


@given(TEXTS, CUTS, st.integers(0, 200))
def test_a_text_that_another_attempt_goes_on_with_is_one_item_with_rising_numbers(
    text: str, cuts: list[int], place: int
) -> None:
    length = len(text.encode())
    boundary = place % length
    attempts = [attempt(1, bytes=boundary), attempt(2, continued_bytes=boundary, outcome=None)]
    whole = play(text, cuts, at=2, attempts=attempts)
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))
    assert [event["output_index"] for event in whole if event["type"].startswith("response.output_item")] == [0, 0]
    after = numbers[place % len(numbers)]
    rest = play(text, [], after=after, at=2, attempts=attempts)
    assert joined(rest) == joined([event for event in whole if event["sequence_number"] > after])


def test_a_text_that_is_written_anew_is_a_new_item_and_the_old_one_ends_incomplete() -> None:
    live = ResponseEvents(JOB_ID)
    told = [*live.created(BEGUN), *live.begun(BEGUN), *live.switch_attempt(1, [])]
    told += live.text(Text(1, 0, "void", 4))
    attempts = [attempt(1), attempt(2, outcome=None, bytes=None)]
    told += live.switch_attempt(2, attempts, anew=True)
    told += live.text(Text(2, 0, "kept", 4))
    told += live.end(asked("kept", at=2))
    numbers = [event["sequence_number"] for event in told]
    assert numbers == sorted(set(numbers))
    done = [(event["output_index"], event["item"]["status"]) for event in told if event["type"].endswith("item.done")]
    assert done == [(0, "incomplete"), (1, "completed")]
    assert [item["content"][0]["text"] for item in told[-1]["response"]["output"]] == ["kept"]
    # Whoever comes later is told of the same items with the same numbers, but not the void text.
    later = play("kept", [], at=2, attempts=attempts)
    assert {event["sequence_number"] for event in later} <= set(numbers)
    assert VOID in numbers
    for after in numbers:
        rest = play("kept", [], after=after, at=2, attempts=attempts)
        if after >= VOID:
            assert joined(rest) == joined([event for event in told if event["sequence_number"] > after])
        else:
            assert "kept" in joined(rest)
            assert joined(rest)[-6]["type"] == "response.content_part.added"


def test_an_attempt_that_told_nothing_leaves_no_item() -> None:
    attempts = [attempt(1, bytes=0), attempt(2, outcome=None, bytes=None)]
    told = play("text", [], at=2, attempts=attempts)
    assert {event.get("output_index") for event in told} == {None, 0}


def test_reasoning_without_a_text_has_the_id_in_the_response_that_its_events_had() -> None:
    events = ResponseEvents(JOB_ID)
    told = [
        *events.created(BEGUN),
        *events.begun(BEGUN),
        *events.switch_attempt(2, [attempt(1), attempt(2, outcome=None)]),
    ]
    told.extend(events.reasoning(Reasoning(2, 0, "Call it.", 8)))
    told.extend(events.end(replace(asked("", at=2), reasoning="Call it.")))
    items = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    assert items[-1]["id"].endswith("_2")
    assert told[-1]["response"]["output"] == items[-1:]


def test_who_saw_more_than_the_next_attempt_went_on_from_begins_a_new_item() -> None:
    """A worker died while Redis was erased: its checkpoint was behind its watchers."""
    attempts = [attempt(1, bytes=4, outcome=AttemptOutcome.LOST), attempt(2, continued_bytes=4, outcome=None)]
    chain = chains_up_to(attempts, 2)[-1]
    assert (diverged_by(chain, TEXT + 4), diverged_by(chain, TEXT + 9)) == (None, 2)
    ahead = play("abcdXYZ", [], after=TEXT + 9, at=2, attempts=attempts)
    assert [event["type"] for event in ahead][:3] == [
        "response.output_item.done", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert ahead[3]["delta"] == "abcdXYZ"
    # And coming back with a number of that item, it goes on in it.
    numbers = [event["sequence_number"] for event in ahead]
    assert numbers == sorted(set(numbers))
    again = play("abcdXYZ", [], after=ROOM + MARK + TEXT + 2, at=2, attempts=attempts)
    assert again[0]["delta"] == "cdXYZ"
    assert again[0]["item_id"] == ahead[1]["item"]["id"]


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (JobStatus.COMPLETED, None, "response.completed"),
        (JobStatus.COMPLETED, "max_output_tokens", "response.incomplete"),
        (JobStatus.COMPLETED, "content_filter", "response.incomplete"),
        (JobStatus.FAILED, None, "response.failed"),
        (JobStatus.EXPIRED, None, "response.failed"),
        (JobStatus.CANCELLED, None, "error"),
    ],
)
def test_there_is_always_a_last_event(status: JobStatus, reason: str | None, kind: str) -> None:
    ended = asked("", status=status)
    job = ended.job
    fields = {name: getattr(job, name) for name in Job.__slots__} | {"incomplete": reason}
    events = ResponseEvents(JOB_ID)
    told = list(events.end(StoredResponse(ended.request, Job(**fields), "")))
    assert [event["type"] for event in told] == [kind]


def test_a_detail_of_the_usage_that_nobody_counted_is_the_number_that_strict_clients_want() -> None:
    shown = response_usage(Usage(9, None, 4, None, 13, source="tokenizer"))
    assert shown is not None
    assert (shown["input_tokens_details"], shown["output_tokens_details"]) == (
        {"cached_tokens": 0, "cache_write_tokens": 0},
        {"reasoning_tokens": 0},
    )
