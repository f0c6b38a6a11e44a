"""Server-sent events, decoded: bytes cut anywhere, and what each event means."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longhand.client.event_decoder import EventDecoder, SentEvent
from longhand.client.events import (
    BatchDone,
    BatchStatus,
    Delta,
    Done,
    OnHold,
    Progress,
    Reset,
    Status,
)
from tests.client.sent import DONE, ENDED, JOB, RETRY, delta, sent


@given(cuts=st.lists(st.integers(min_value=0, max_value=400)), ending=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_the_same_bytes_cut_anywhere_give_the_same_events(cuts: list[int], ending: bytes) -> None:
    stream = (
        b"\xef\xbb\xbf: comment\n" + RETRY + delta(0, "é\u2028蜂🐝") + b"data: a\ndata: b\n\nevent: empty\n\n" + DONE
    )
    stream = stream.replace(b"\n", ending)
    decoder = EventDecoder()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = [event for start, end in itertools.pairwise(places) for event in decoder.feed(stream[start:end])]
    assert [event.name for event in events] == ["delta", "message", "done"]
    assert events[0].typed("job_1") == [Delta("job_1", 1, 0, "é\u2028蜂🐝")]
    assert events[1] == SentEvent("message", "a\nb", "1:12")
    assert events[2].id == "1:5:completed"
    assert decoder.retry_seconds == 0.01


def test_each_event_of_a_batch_has_its_meaning() -> None:
    batch: Any = {"id": "batch_1", "object": "batch", "status": "completed", "request_counts": {}, "usage": None}
    one = {"id": "job_1", "attempt": 1, "offset": 0, "text": "a"}
    stream = [
        sent("batch", batch, "a"),
        sent("jobs", {"jobs": [JOB, ENDED]}, "b"),
        sent("deltas", {"deltas": [one, {**one, "id": "job_2"}]}, "c"),
        sent("reset", {"id": "job_2", "attempt": 3}, "d"),
        sent("progress", {"status": "in_progress", "request_counts": {"total": 2}, "usage": None}, "e"),
        sent("of a later version", {}, "f"),
        sent("done", batch, "g"),
    ]
    counts: Any = {"total": 2}
    decoded = [event for found in EventDecoder().feed(b"".join(stream)) for event in found.typed("batch_1")]
    assert decoded == [
        BatchStatus(batch),
        Status(JOB),
        Done(ENDED),
        Delta("job_1", 1, 0, "a"),
        Delta("job_2", 1, 0, "a"),
        Reset("job_2", 3),
        Progress("in_progress", counts, None),
        BatchDone(batch),
    ]


def test_what_holds_a_job_is_an_event_until_nothing_does() -> None:
    hold: Any = {"kind": "model", "target": "m", "reason": "paused"}
    stream = sent("hold", {"hold": hold}, "0:0") + sent("hold", {"hold": None}, "0:0")
    decoded = [event for found in EventDecoder().feed(stream) for event in found.typed("job_1")]
    assert decoded == [OnHold("job_1", hold), OnHold("job_1", None)]
