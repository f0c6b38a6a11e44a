"""Many jobs of a batch that fail: one line for each reason, in plain words, and advice that can help."""

import json
import re
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from longhand.client.events import BatchDone, BatchStatus, Done
from longhand.terminal import progress
from longhand.terminal.explanations import QUOTED, plain_reason
from longhand.terminal.failures import Failure, Failures, count_words, outcome
from longhand.terminal.lists import status_of_batch
from longhand.words.catalogue import Language, entries, speaking
from tests.client.sent import JOB
from tests.stack.running_up import ROOT

PAGE = ROOT / "api" / "page"
NAMES = ["Klassik", "Jazz", "Rock", "Pop", *(f"Nr. {number}" for number in range(8))]
ANSWER = json.dumps({"error": {"message": "The model `gpt-x` does not exist.", "code": "model_not_found"}})
WRONG_MODEL = {"code": "upstream_rejected", "message": f"HTTP 404: {ANSWER}"}
AGAIN = "and a retry would send the same:"
ALL_FAILED = {"total": 12, "completed": 0, "failed": 12, "in_progress": 0, "incomplete": 0}


def a_batch(status: str, **counts: int) -> Any:
    return {"id": "batch_1", "status": status, "usage": None, "request_counts": {**ALL_FAILED, **counts}}


class Watched:
    """Stands for a client whose batch has failed in every job."""

    def __init__(self, error: dict[str, str]) -> None:
        self._error = error

    def batch(self, _: str) -> Any:
        return a_batch("in_progress", failed=0)

    def watch(self, _: str, *, texts: str) -> Any:
        yield BatchStatus(self.batch(texts))
        for number, name in enumerate(NAMES):
            fields = {"id": f"job_{number}", "custom_id": name, "status": "failed", "error": self._error}
            job: Any = {**JOB, **fields}
            yield Done(job)
        yield BatchDone(a_batch("completed"))


def watched(error: dict[str, str], *, on_terminal: bool = False) -> str:
    said = StringIO()
    console = Console(file=said, width=100, force_terminal=on_terminal, color_system=None)
    client: Any = Watched(error)
    assert progress.watch_batch(client, "batch_1", console, StringIO(), with_texts=False) is False
    return said.getvalue()


def test_a_batch_that_fails_for_one_reason_is_two_lines_and_an_advice_that_helps() -> None:
    why = "failed, upstream_rejected: the upstream rejected the request: The model `gpt-x` does not exist."
    assert watched(WRONG_MODEL).splitlines() == [
        "in_progress: 0/12 ended, 12 queued",
        f"Klassik: {why}",
        f"12 jobs (Klassik, Jazz, Rock, ...): {why}",
        f"the upstream refuses these requests, {AGAIN} submit them again with another model or request",
        "if you have changed the upstream, run them again with: longhand retry batch_1",
        "all failed: 12/12 ended, 12 failed",
    ]


def test_a_terminal_breaks_a_long_reason_between_words_and_says_all_failed_at_the_end() -> None:
    said = watched(WRONG_MODEL, on_terminal=True)
    assert "`gpt-x` does not \nexist." in said.replace("\r", "")
    assert "all failed  12 failed" in said
    assert "not completed" not in said


def test_what_a_retry_can_mend_is_to_be_run_again() -> None:
    said = watched({"code": "upstream_stalled", "message": "no bytes for 60 s"}).splitlines()
    assert said[-3:-1] == [
        "12 jobs (Klassik, Jazz, Rock, ...): failed, upstream_stalled: the upstream stopped writing",
        "run them again with: longhand retry batch_1",
    ]


def test_several_reasons_are_a_line_each_and_at_most_ten_are_told() -> None:
    failures = Failures()
    told = [
        failures.add(Failure(f"j{n}", "failed", f"why {n % 12}", "upstream_refusal" if n == 0 else None))
        for n in range(24)
    ]
    assert list(filter(None, told)) == [f"j{n}: failed, why {n}" for n in range(10)]
    assert list(failures.groups()) == [
        *(f"2 jobs (j{n}, j{n + 12}): failed, why {n}" for n in range(10)),
        "4 more did not complete, for other reasons",
    ]
    again = f"1 of them the upstream refuses, {AGAIN} submit it again with another model or request"
    assert (failures.refused(), failures.again("b")) == (again, "run them again with: longhand retry b")
    assert (Failures().refused(), Failures().again("b"), list(Failures().groups())) == ("", "", [])


@pytest.mark.parametrize(
    ("code", "message", "why"),
    [
        ("upstream_rejected", 'HTTP 400: {"error": "no"}', "upstream_rejected: the upstream rejected the request: no"),
        ("upstream_rejected", '{"detail": "no"}', "upstream_rejected: the upstream rejected the request: no"),
        ("upstream_rejected", "HTTP 400: {no", "upstream_rejected: the upstream rejected the request: HTTP 400: {no"),
        ("upstream_rejected", "{" * 9000, "upstream_rejected: the upstream rejected the request: " + "{" * 9000),
        ("schema_mismatch", "[1]", "schema_mismatch: the text does not have the format that was asked for: [1]"),
        ("stall", '{"error": {"message": 1}}', 'stall: {"error": {"message": 1}}'),
        ("upstream_cut", "after 12 bytes", "upstream_cut: the upstream's answer broke off"),
        ("stall", '{"error": {"message": "a\\nb"}}', "stall: a\nb"),
        ("stall", None, "stall"),
    ],
)  # fmt: skip
def test_a_reason_is_said_in_plain_words(code: str, message: str | None, why: str) -> None:
    assert plain_reason({"status": "failed", "error": {"code": code, "message": message}}) == why.replace("\n", " ")


def test_a_reason_is_chinese_in_chinese() -> None:
    with speaking("zh"):
        assert plain_reason({"error": WRONG_MODEL}).startswith("upstream_rejected：接口拒绝了请求：The model")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_and_the_command_say_the_same_of_each_code_of_a_failed_job(language: Language) -> None:
    script = (PAGE / f"words_{language}_errors.js").read_text()
    page = dict(re.findall(r'"error\.(\w+)":\s*"(.*)",', script))
    del page["said"]
    command = {code: entries(language, "_codes").get(code) for code in entries("en", "_codes")}
    assert len(page) > 35
    # The command's sentences stand behind a code and a colon.
    said = {code: sentence.replace(". ", ": ").casefold() for code, sentence in page.items()}
    assert {
        code: (page.get(code), command.get(code))
        for code in {*page, *command}
        if said.get(code) != str(command.get(code)).casefold()
    } == {}


def test_the_page_and_the_command_quote_the_upstream_for_the_same_codes() -> None:
    [quoted] = re.findall(r"const QUOTED = \[(.*?)\]", (PAGE / "faults.js").read_text(), re.DOTALL)
    assert set(re.findall(r"\w+", quoted)) == QUOTED


def test_cancelled_and_expired_jobs_are_not_said_to_have_failed() -> None:
    batch = a_batch("in_progress", total=30, completed=2, failed=9, in_progress=4)
    words = [part.plain for part in count_words(batch, Counter({"failed": 2, "expired": 3, "cancelled": 4}))]
    assert words == ["2 completed", "2 failed", "3 expired", "4 cancelled", "4 writing", "15 queued"]
    held = {**batch, "hold": {"reason": "paused"}}
    assert [part.plain for part in count_words(held, Counter())][-1] == "15 held"


def test_a_batch_whose_jobs_all_failed_has_one_name_everywhere() -> None:
    batch = a_batch("completed")
    assert (outcome(batch), status_of_batch(batch).plain) == ("all_failed", "all failed")
    assert outcome(a_batch("completed", failed=11)) == "completed"
    assert outcome(a_batch("in_progress")) == "in_progress"
