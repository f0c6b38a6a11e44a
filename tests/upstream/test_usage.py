"""The counts that upstreams send of what was used: which are true, which tell nothing, and which one wins."""

import json

import pytest

from tests.upstream.chunk_reading import FINISH, of_delta, take
from worker.upstream.answer import Answer
from worker.upstream.ending import ReportedUsage
from worker.upstream.usage import UsageReports


def read_usage(usage: object) -> ReportedUsage | None:
    reports = UsageReports()
    reports.add(usage)
    return reports.read()


def test_the_last_usage_wins_and_unknown_counts_stay_unknown() -> None:
    running = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    final = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}
    _, _, ending = take({**of_delta({"content": "x"}), "usage": running}, FINISH, {"choices": [], "usage": final})
    assert ending.usage == ReportedUsage(5, None, 9, 2, 14)


def test_a_total_that_is_not_stated_is_input_and_output() -> None:
    ollama = {"prompt_eval_count": 11, "eval_count": 7}
    assert read_usage(ollama) == ReportedUsage(11, None, 7, None, 18)


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "12",
        {},
        {"prompt_tokens": "9"},
        {"prompt_tokens": -1},
        {"prompt_tokens": True},
        ZEROS,
        {"prompt_tokens": 0},
        {**ZEROS, "prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": 0}},
        {**ZEROS, "total_tokens": "0", "completion_tokens_details": None},
    ],
)
def test_a_usage_that_tells_nothing_is_none(usage: object) -> None:
    assert read_usage(usage) is None


def test_a_usage_of_zeros_is_a_placeholder_and_replaces_no_true_one() -> None:
    true = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    chunk = {**of_delta({"content": "x"}), "usage": ZEROS}
    assert take(chunk, FINISH)[2].usage is None
    assert take(chunk, {**FINISH, "usage": true}, {"choices": [], "usage": ZEROS})[2].usage == ReportedUsage(
        5, None, 9, None, 14
    )
    cut = Answer(lambda _: None, 1000)
    cut.take(json.dumps(chunk).encode())
    assert cut.ending().usage is None


def test_a_zero_is_a_count_only_where_zero_can_be_true() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
    assert read_usage(usage) == ReportedUsage(5, 0, None, None, None)


@pytest.mark.parametrize(
    ("reason", "output"), [("stop", 0), ("content_filter", 0), ("length", None), ("tool_calls", None), (None, None)]
)
def test_no_output_tokens_are_a_count_where_an_answer_ended_without_any(reason: str | None, output: int | None) -> None:
    """At the limit the model may have thought, and it may have called a tool."""
    usage = {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}
    answer = Answer(lambda _: None, 1000)
    ended = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}
    answer.take(json.dumps(ended).encode())
    assert answer.ending().usage == ReportedUsage(8, None, output, None, 8)


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_no_output_tokens_are_no_count_of_an_answer_that_wrote_something(field: str) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}
    answer = Answer(lambda _: None, 1000)
    answer.take(json.dumps(of_delta({field: "x"})).encode())
    answer.take(json.dumps({**FINISH, "usage": usage}).encode())
    assert answer.ending().usage == ReportedUsage(8, None, None, None, 8)


def test_a_strange_usage_does_not_spoil_the_rest() -> None:
    usage = {"prompt_tokens": 2**40, "completion_tokens": 4, "prompt_tokens_details": 7, "total_tokens": 4.5}
    assert read_usage(usage) == ReportedUsage(None, None, 4, None, None)


DETAILED = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 900},
    "completion_tokens_details": {"reasoning_tokens": 40},
}


@pytest.mark.parametrize(
    "later",
    [
        {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
        {**DETAILED, "prompt_tokens_details": None, "completion_tokens_details": {}},
        {
            **DETAILED,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        {**DETAILED, "completion_tokens": 2**31 - 1, "total_tokens": True},
        {**DETAILED, "prompt_tokens_details": {"cached_tokens": 2**31 - 1}},
    ],
    ids=["no details", "empty details", "smaller details", "unknown counts", "unknown details"],
)
def test_of_each_count_the_largest_known_one_stands_inside_details_too(later: object) -> None:
    reports = UsageReports()
    reports.add(DETAILED)
    reports.add(later)
    assert reports.read() == ReportedUsage(1000, 900, 50, 40, 1050)


def test_a_running_total_that_only_grows_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[object] = []
    merge = UsageReports._merge

    def note(self: UsageReports) -> None:
        merged.append(self._last)
        merge(self)

    monkeypatch.setattr(UsageReports, "_merge", note)
    reports = UsageReports()
    for written in range(1, 100):
        thought = {"reasoning_tokens": written}
        reports.add({**DETAILED, "completion_tokens": written, "completion_tokens_details": thought})
    assert reports.read() == ReportedUsage(1000, 900, 99, 99, 1099)
    assert len(merged) == 2  # before the first report, and at the end
