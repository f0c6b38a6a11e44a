"""What each rule of `accept` takes and what it rejects, on both sides of its limit: the specification as examples."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import re2

from jobs.acceptance.answer_format import FormatError
from jobs.acceptance.format_check import FormatCheck
from jobs.acceptance.languages import known_languages
from jobs.acceptance.patterns import LARGEST_PROGRAM, find_pattern_fault
from jobs.acceptance.rejections import CUT_SHORT, find_rejections, tell_rejection
from jobs.acceptance.rules import RuleError, read_rules
from jobs.acceptance.words import count_words
from worker.answer_check import AnswerCheck, NotAccepted, NotChecked

ENGLISH = "The pencil has a long history, and people have written with it for more than four hundred years."
CHINESE = "铅笔的历史很长，人们用它写字已经有四百多年了。"
TABLE = "| tea | price |\n|---|---|\n"


def found(rules: dict[str, Any], text: str, *, cut_short: bool = False) -> list[str]:
    """What was found instead, by rules that have passed the check at submission."""
    return [one["found"] for one in find_rejections(read_rules(rules), text, cut_short=cut_short)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Rain", 1),
        ("It rains, and it pours.", 5),
        ("Don't pay 3.50 for O'Neil's tea!", 6),
        ("well-known", 2),
        ("**Bold** and _slanted_ — ... 🎉 ___", 3),
        ("e\u0301te\u0301", 1),
        ("Straße, café, naïve", 3),
        ("茶", 1),
        ("茶是好的。", 4),
        ("“茶”，是好的！", 4),
        ("我喝 green tea 和水", 6),
        ("お茶をのむ。", 5),
        ("コーヒー", 4),
        ("나는 차를 마신다.", 7),
        ("चाय अच्छी है", 3),
    ],
)
def test_words_are_counted_by_unicode_and_chinese_by_the_character(text: str, count: int) -> None:
    assert count_words(text) == count


@pytest.mark.parametrize(
    ("rules", "text", "rejected"),
    [
        ({"min_words": 3}, "It rains today.", []),
        ({"min_words": 4}, "It rains today.", ["3 words"]),
        ({"max_words": 3}, "It rains today.", []),
        ({"max_words": 2}, "It rains today.", ["3 words"]),
        ({"min_words": 2}, "Rain.", ["1 word"]),
        ({"min_words": 5}, "今天下雨了。", []),
        ({"min_words": 6}, "今天下雨了。", ["5 words"]),
        ({"max_words": 5}, "今天下雨了。", []),
        ({"max_words": 4}, "今天下雨了。", ["5 words"]),
        ({"min_words": 7, "max_words": 7}, "今天下雨了 it rains", []),
    ],
)
def test_a_text_has_at_least_and_at_most_so_many_words(rules: dict[str, Any], text: str, rejected: list[str]) -> None:
    assert found(rules, text) == rejected


@pytest.mark.parametrize(
    ("rules", "text", "rejected"),
    [
        ({"must_include": ["tea"]}, "Green tea.", []),
        ({"must_include": ["tea"]}, "Green Tea.", ["nothing like it"]),
        ({"must_include": ["绿茶"]}, "我喝绿茶。", []),
        ({"must_include": ["绿茶"]}, "我喝红茶。", ["nothing like it"]),
        ({"must_include": ["a.c"]}, "abc", ["nothing like it"]),
        ({"must_include": [{"pattern": "a.c"}]}, "abc", []),
        ({"must_include": [{"pattern": "(?i)TEA"}]}, "tea", []),
        ({"must_include": [{"pattern": r"(?m)^## "}]}, "# Tea\n## Leaves\n", []),
        ({"must_include": [{"pattern": r"(?m)^## "}]}, "# Tea\n", ["nothing like it"]),
        ({"must_include": [{"pattern": "第.章"}]}, "第一章", []),
        ({"must_include": [{"pattern": "第.章"}]}, "第十一章", ["nothing like it"]),
        ({"must_include": ["tea", "rain", {"pattern": "sun"}]}, "rain", ["nothing like it"] * 2),
        ({"must_not_include": ["As an AI"]}, "as an ai", []),
        ({"must_not_include": ["As an AI"]}, "As an AI, I like tea.", ['"As an AI"']),
        ({"must_not_include": [{"pattern": "(?i)as an (ai|assistant)"}]}, "Well, as An Ai I...", ['"as An Ai"']),
        ({"must_not_include": [{"pattern": r"\bcat\b"}]}, "concatenate", []),
        ({"must_not_include": ["作为人工智能"]}, "作为一个人，我喝茶。", []),
        ({"must_not_include": ["作为人工智能"]}, "作为人工智能，我不喝茶。", ['"作为人工智能"']),
        ({"must_not_include": [{"pattern": r"\p{Han}"}]}, "Tea 茶.", ['"茶"']),
    ],
)
def test_a_text_holds_what_it_must_and_nothing_that_it_must_not(
    rules: dict[str, Any], text: str, rejected: list[str]
) -> None:
    assert found(rules, text) == rejected


WELL = [
    "It rains.", "It rains!", "Does it rain?", "It rains…", "It rains...", "“It rains.”", "(It rains.)", "*It rains.*",
    "**It rains.**", "It rains.[1]", "It rains.[^2]", "It rains. 🎉", "It rains (see page 5).", "It rains. (page 5)",
    "It rains.\n\n\n", "It rains.\n\n---", "Say:\n\n```py\nprint(1)\n```", "Say:\n\n~~~\n```\n~~~", "A `code`.",
    TABLE + "| green | 3 |", "tea | price\n--- | ---\ngreen | 3", "Teas:\n\n- green\n- black", "1. green\n2. black",
    "- It rains.\n- It pours.",
    "今天下雨。", "今天下雨！", "下雨吗？",
    "他说：“今天下雨。”", "他说：「今天下雨。」", "今天下雨……", "（今天下雨。）",
    "今天下雨。（完）", "**今天下雨。**", "茶有：\n\n- 绿茶\n- 红茶", "一、绿茶\n二、红茶", TABLE + "| 绿茶 | 三 |",
    "雨です。", "वर्षा होती है।", "هل تمطر؟",
]  # fmt: skip

BADLY = [
    ("It rains", "a sentence that does not end"), ("It rains,", "a sentence that does not end"),
    ("There are three teas:", "a sentence that does not end"), ("“It rains", "a sentence that does not end"),
    ("It rains.\n\nAnd then the", "a sentence that does not end"), ("It rains. (see", "a sentence that does not end"),
    ("- It rains.\n- It po", "a sentence that does not end"), ("- green\n- black,", "a sentence that does not end"),
    ("- green", "a sentence that does not end"), ("It rains;", "a sentence that does not end"),
    ("It rains.\n\n## Next", "a heading"), ("It rains.\n\n#", "a heading"), ("It rains.\n\nNext\n====", "a heading"),
    ("It rains.\n\nNext\n---", "a heading"), ("```py\nprint(1)", "a code block"),
    ("```py\nprint(1).\n", "a code block"),
    ("~~~\ncode\n```", "a code block"), (TABLE + "| green |", "a row of a table with 1 of 2 cells"),
    (TABLE + "| green | 3", "a row of a table that is not closed"), (TABLE, "a table without rows"),
    ("| tea | price |", "a table of which only the beginning"), ("tea | price\n--- | ---\ngreen", "a sentence"),
    ("今天下雨", "a sentence that does not end"), ("今天下雨，", "a sentence that does not end"),
    ("有三种茶：", "a sentence that does not end"), ("他说：“今天下雨", "a sentence that does not end"),
    ("今天、", "a sentence that does not end"), ("今天下雨；", "a sentence that does not end"),
    ("今天下雨。\n\n## 第二章", "a heading"), ("今天下雨。\n\n```\n代码", "a code block"),
    (TABLE + "| 绿茶 |", "a row of a table with 1 of 2 cells"), ("", "no text"), (" \n", "no text"),
]  # fmt: skip


@pytest.mark.parametrize("text", WELL)
def test_a_text_that_ends_well_is_taken(text: str) -> None:
    assert found({"ends_well": True}, text) == []


@pytest.mark.parametrize(("text", "why"), BADLY)
def test_a_text_that_breaks_off_is_rejected(text: str, why: str) -> None:
    [ending] = found({"ends_well": True}, text)
    assert ending.startswith(why)


def test_a_text_that_was_cut_short_ends_badly_wherever_it_was_cut() -> None:
    assert found({"ends_well": True}, "It rains.", cut_short=True) == [CUT_SHORT]
    assert found({"min_words": 2}, "It rains", cut_short=True) == []
    assert found({"ends_well": False, "min_words": 2}, "It rains", cut_short=True) == []


@pytest.mark.parametrize(
    ("language", "text", "rejected"),
    [
        ("en", ENGLISH, []),
        ("zh", CHINESE, []),
        ("en", CHINESE, ["zh"]),
        ("zh", ENGLISH, ["en"]),
        ("zh-Hant", "鉛筆的歷史很長，人們用它寫字已經有四百多年了。", []),
        ("zh", "鉛筆的歷史很長，人們用它寫字已經有四百多年了。", []),
        ("zh-Hant", CHINESE, ["zh"]),
        ("de", "Der Bleistift hat eine lange Geschichte, und viele Menschen schreiben heute noch mit ihm.", []),
        ("de", "Le crayon a une longue histoire, et beaucoup de gens écrivent encore avec lui.", ["fr"]),
        ("ja", "鉛筆の歴史はとても長く、人々は四百年以上前から使っています。", []),
        ("ko", "연필의 역사는 매우 길고 사람들은 사백 년 넘게 그것으로 글을 써 왔습니다.", []),
        ("zh", f"{CHINESE}\n\n```py\n{'print(pencil)  # it writes the history of it  ' * 9}\n```\n\n{CHINESE}", []),
        ("zh", f"{CHINESE} Python 3.12", []),
        ("en", "OK", []),
        ("en", "xqzv wkjp vbnq " * 20, ["no language that is known"]),
        ("zh", "", []),
        ("en", f"\x00\x01\ufdd0{ENGLISH}", []),
    ],
)
def test_most_of_a_text_is_in_the_language_that_is_asked_for(language: str, text: str, rejected: list[str]) -> None:
    assert found({"language": language}, text) == rejected


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        ('{"title": "Rain"}', []),
        ('{"title": 3}', ['$.title: 3 is not of type "string"']),
        ("Rain", ["the text is not JSON: Expecting value: line 1 column 1 (char 0)"]),
    ],
)
def test_a_text_fits_the_schema(text: str, rejected: list[str]) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    assert found({"json_schema": schema}, text) == rejected


def test_every_reason_is_told_and_not_only_the_first() -> None:
    rules = {"min_words": 9, "ends_well": True, "language": "zh", "must_include": ["雨", {"pattern": "s.n"}]}
    reasons = find_rejections(rules, "It rains today and nobody goes", cut_short=False)
    assert [(one["rule"], one["asked"]) for one in reasons] == [
        ("min_words", 9),
        ("ends_well", True),
        ("language", "zh"),
        ("must_include", "雨"),
        ("must_include", {"pattern": "s.n"}),
    ]
    assert [tell_rejection(one) for one in reasons] == [
        "min_words: asked for 9, found 6 words",
        'ends_well: asked for a good ending, found a sentence that does not end, "It rains today and nobody goes"',
        "language: asked for zh, found en",
        'must_include: asked for "雨", found nothing like it',
        'must_include: asked for the pattern "s.n", found nothing like it',
    ]


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


@pytest.fixture
def check() -> Iterator[AnswerCheck]:
    """With a process of its own, that is ended with the test."""
    made = AnswerCheck(cpu_seconds=1.0)
    yield made
    made.close()


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


def test_a_broken_schema_of_accept_is_named_by_its_place() -> None:
    made = FormatCheck()
    try:
        with pytest.raises(FormatError, match=r"json_schema\.type"):
            made.check_rules({"json_schema": {"type": "objekt"}})
    finally:
        made.close()
