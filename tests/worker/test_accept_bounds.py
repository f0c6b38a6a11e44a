"""What `accept` may ask for, and what a check of it may cost: wrong rules are named, slow ones refused or ended."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import re2

from jobs.acceptance.answer_format import FormatError
from jobs.acceptance.format_check import MOST_TRIES, CheckEndedError, FormatCheck, TooSlowError
from jobs.acceptance.languages import known_languages
from jobs.acceptance.patterns import LARGEST_PROGRAM, find_pattern_fault
from jobs.acceptance.rejections import find_rejections
from jobs.acceptance.rules import RuleError, read_rules
from tests.api.watching import wait_until
from worker.answer_check import AnswerCheck, NotAccepted, NotChecked


@pytest.mark.parametrize(
    ("rules", "path", "reason"),
    [
        ([], "", "must be an object"),
        ({}, "", "asks for nothing"),
        ({"ends_well": False, "min_words": None}, "", "asks for nothing"),
        ({"min_word": 3}, "min_word", "unknown; known are"),
        ({"min_words": 0}, "min_words", "from 1 to"),
        ({"max_words": True}, "max_words", "whole number"),
        ({"min_words": 9, "max_words": 8}, "min_words", "is 9, more than max_words, 8"),
        ({"must_include": "tea"}, "must_include", "must be a list"),
        ({"must_include": []}, "must_include", "must be a list"),
        ({"must_include": ["tea", ""]}, "must_include[1]", "not empty"),
        ({"must_include": ["\ud800"]}, "must_include[0]", "surrogate"),
        ({"must_include": ["a" * 1001]}, "must_include[0]", "1000 are allowed"),
        ({"must_include": ["a"] * 33}, "must_include", "32 are allowed"),
        ({"must_not_include": [{"regex": "a"}]}, "must_not_include[0]", '{"pattern": "..."}'),
        ({"must_not_include": [{"pattern": "("}]}, "must_not_include[0].pattern", "no pattern of RE2"),
        ({"must_not_include": [{"pattern": "(?=a)"}]}, "must_not_include[0].pattern", "no pattern of RE2"),
        ({"must_not_include": [{"pattern": "x{1000}"}]}, "must_not_include[0].pattern", "write several patterns"),
        ({"ends_well": "yes"}, "ends_well", "true or false"),
        ({"language": "English"}, "language", "ISO 639-1"),
        ({"language": ["en"]}, "language", "ISO 639-1"),
        ({"json_schema": "object"}, "json_schema", "JSON Schema"),
    ],
)
def test_a_wrong_rule_is_named_with_what_to_do(rules: Any, path: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        read_rules(rules)
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_as_many_patterns_and_words_as_are_allowed_are_taken() -> None:
    rules = {"must_include": ["a" * 1000] * 32, "min_words": 8, "max_words": 8, "language": "en"}
    assert read_rules(rules) == rules
    assert read_rules({"min_words": 1, "ends_well": False, "language": None}) == {"min_words": 1}
    assert {"en", "zh", "zh-Hant", "de", "ja", "ko", "he", "id"} <= known_languages()


@pytest.mark.parametrize("pattern", [r"\pL" * 330, r"(?i)[\PL]" * 100, r"\pL*\PN?" * 5])
def test_classes_of_unicode_are_counted_before_they_are_compiled(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes half a millisecond, in which nobody else has the interpreter: a request may have 64 patterns."""
    monkeypatch.setattr(re2, "compile", None)
    assert "has more than 8 classes of Unicode" in (find_pattern_fault(pattern) or "")


def test_a_pattern_may_have_some_classes_of_unicode_and_not_become_too_large() -> None:
    assert find_pattern_fault(r"[\p{Han}\p{Hiragana}\p{Katakana}]{3}") is None
    assert "becomes too many instructions, and 500 are allowed" in (find_pattern_fault(r"\pL" * 8) or "")


HOSTILE = ["(a+)+$", "(a|aa)+$", "(a*)*b", "(x+x+)+y", "(.*)(.*)(.*)(.*)[^a]", "(a?){80}a{80}b", "[ab]*a[ab]{30}c",
           "a{1000}", "(a{1000}){1000}", ".{400}q", "([一-龥]{50}){20}z", r"(\p{L}*){1000}"]  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_is_refused_or_linear(pattern: str) -> None:
    began = time.process_time()
    fault = find_pattern_fault(pattern)
    assert time.process_time() - began < 0.5
    if fault is not None:
        assert "RE2" in fault or str(LARGEST_PROGRAM) in fault
        return
    for text in ("a" * 1_000_000 + "!", "ab" * 500_000, "雨水" * 150_000):
        began = time.process_time()
        find_rejections({"must_not_include": [{"pattern": pattern}]}, text, cut_short=False)
        assert time.process_time() - began < 1.0  # 2 to 10 ms where it was measured; backtracking would take for ever


@contextmanager
def one_check() -> Iterator[AnswerCheck]:
    made = AnswerCheck(cpu_seconds=1.0)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def check() -> Iterator[AnswerCheck]:
    """With a process of its own, that is ended with the test."""
    with one_check() as made:
        yield made


@pytest.fixture(scope="module")
def shared_check() -> Iterator[AnswerCheck]:
    """With a process that the tests of this file share: one that is asked anew has all its time again."""
    with one_check() as made:
        yield made


def test_the_texts_are_checked_in_another_process(check: AnswerCheck) -> None:
    assert check.find_rejection(None, "It rains", cut_short=False) is None
    assert check.format_check._child is None  # nothing was asked, so nothing was started
    assert check.find_rejection({"min_words": 2}, "It rains", cut_short=False) is None
    error = check.find_rejection({"min_words": 3}, "It rains", cut_short=False)
    assert isinstance(error, NotAccepted)
    assert error.message == "The text was not accepted: min_words: asked for 3, found 2 words"
    assert error.rejections == [{"rule": "min_words", "asked": 3, "found": "2 words"}]


def test_a_check_that_takes_too_long_is_ended(check: AnswerCheck) -> None:
    defs = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(60)}
    slow = {"json_schema": {"$ref": "#/$defs/a0", "$defs": {**defs, "a60": {"type": "string"}}}}
    error = check.find_rejection(slow, "1", cut_short=False)
    assert isinstance(error, NotChecked)
    assert not error.retryable
    assert check.find_rejection({"min_words": 1}, "Rain", cut_short=False) is None


def endless(number: int) -> str:
    defs = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(60)}
    schema = {"title": str(number), "$ref": "#/$defs/a0", "$defs": {**defs, "a60": {"type": "string"}}}
    return json.dumps(schema)


def test_the_project_whose_check_was_ended_waits_for_the_next_process_and_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, the next check seemed to take half a second, and its project got no streams for it: 14 % of the time."""
    made = FormatCheck(cpu_seconds=0.3)
    start, starters = made._start, list[str | None]()

    def note() -> Any:
        starters.append(made.turns._holder)
        return start()

    monkeypatch.setattr(made, "_start", note)
    try:
        assert made.find_rejections({"min_words": 1}, "Rain", cut_short=False, project="alpha") == []
        for number in range(2):
            with pytest.raises(TooSlowError):
                made.find_mismatch(endless(number), "1", "gamma")
            assert made.find_rejections({"min_words": 1}, "Rain", cut_short=False, project="alpha") == []
    finally:
        made.close()
    assert starters == ["alpha", "gamma", "gamma"]


@pytest.mark.parametrize("deaths", [MOST_TRIES - 1, MOST_TRIES])
def test_a_check_whose_process_others_kill_is_tried_again_and_never_blamed_on_its_schema(
    monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    made = FormatCheck()
    start, killed = made._start, list[int]()

    def start_one() -> Any:
        child = start()
        if len(killed) < deaths:
            child.kill()
            killed.append(child.wait())
        return child

    monkeypatch.setattr(made, "_start", start_one)
    schema = '{"type": "string"}'
    try:
        if deaths < MOST_TRIES:
            assert made.find_mismatch(schema, '"Rain"') is None
        else:
            with pytest.raises(CheckEndedError):
                made.find_mismatch(schema, '"Rain"')
        assert killed == [-signal.SIGKILL] * deaths
        made.check_format({"type": "json_schema", "json_schema": {"name": "x", "schema": json.loads(schema)}})
    finally:
        made.close()


def test_a_check_that_is_stopped_starts_no_other_process() -> None:
    made = FormatCheck(cpu_seconds=3600.0)
    with ThreadPoolExecutor(1) as asking:
        slow = asking.submit(made.find_mismatch, endless(0), "1")
        wait_until(lambda: made._child is not None)  # the fault has fired
        made.stop()
        with pytest.raises(TooSlowError):
            slow.result()
    assert made._child is None


def test_a_broken_schema_of_accept_is_named_by_its_place() -> None:
    made = FormatCheck()
    try:
        with pytest.raises(FormatError, match=r"json_schema\.type"):
            made.check_rules({"json_schema": {"type": "objekt"}})
    finally:
        made.close()


@pytest.mark.parametrize("fill", [" ", "\t", "(", ")", "(a)", "[1]", '"', "| ", "- ", "> ", "$"])
@pytest.mark.parametrize("head", ["It rains", "a|b\n-|-\n|-"])
def test_the_end_of_a_long_line_is_found_in_the_time_that_a_check_has(
    shared_check: AnswerCheck, head: str, fill: str
) -> None:
    for end in ("today", ""):
        text = head + fill * 200_000 + end
        assert not isinstance(shared_check.find_rejection({"ends_well": True}, text, cut_short=False), NotChecked)


def test_the_end_of_a_long_text_full_of_marks_is_found_in_the_time_that_a_check_has(shared_check: AnswerCheck) -> None:
    marks = (
        "$$ ",
        "$$x ",
        "$$\n",
        "`",
        "` ",
        "<p>",
        "\\[",
        "\\begin{a}",
        "\\end{a}",
        "** ",
        "「",
        "a ",
        "- a\n",
        "```md\n",
    )
    for text in (mark * 100_000 + end for mark in marks for end in ("today", "</p>", "$$")):
        assert not isinstance(shared_check.find_rejection({"ends_well": True}, text, cut_short=False), NotChecked), (
            text[:9]
        )


def test_a_long_row_of_tildes_is_looked_through_once(shared_check: AnswerCheck) -> None:
    text = "~" * 200_000 + "\nIt rains all day, and the day after, and nobody goes out to see it."
    assert shared_check.find_rejection({"language": "en"}, text, cut_short=False) is None
