"""What each rule of `accept` takes and what it rejects, on both sides of its limit: the specification as examples."""

from typing import Any

import pytest

from jobs.acceptance.rejections import CUT_SHORT, find_rejections, tell_rejection
from jobs.acceptance.rules import read_rules
from jobs.acceptance.words import count_words

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
    "10. Do:\n\n    ```sh\n    make\n    ```", "- Do:\n\n\t```sh\n\tmake\n\t```",
    "- a:\n  - b:\n    ~~~\n    make\n    ~~~",
    "Write:\n\n    ```\n\nThen write your code.", "Say:\n\n        $ cat x.md\n        ```sh\n\nIt stops there.",
    "Say:\n\n    ```py\n    print(1)\n    ```", "Say:\n\n    ```py\nprint(1)\n    ```\n\nIt rains.",
    "Use:\n\n- ``` opens a block,\n- ~~~ does, too.\n\nIt rains.", '- ```js title="x" {1}\n  make()\n  ```',
    "1. ```sh\n   make\n   ```", "> ```\n> make\n> ```", "> ```\n> make\n\nIt rains.", "```md\n    ```\nx\n```",
    "> It rains.",
    "> - green\n> - black", "So:\n\n$$\nx = 1\n$$", "So: $$x = 1$$", "So:\n\n\\[\nx = [1]\n\\]",
    "- So:\n\n  $$a$$\n\n  $$b$$",
    "```sh\necho $$\n```\n\n$$x$$",
    "Hence $x = 1.$", "So \\(x = 1.\\)", "So:\n\n\\begin{align}\na &= b\n\\end{align}", "> $$\n> x\n> $$",
    "\\begin{document}\nIt rains.\n\\end{document}", "It costs $$ a lot.", "It costs $$ a lot.\n\n$$x = 1$$",
    "$$\n\nx = 1\n\n$$\n\nIt rains.", "So $$ x = 1 $$", "Write `\\[` or `$$x`.", "Write \\begin{x} there.",
    "A price: $5.", "Write \\[ there.", "- $$: soft.",
    "<p>It rains.</p>", "<div>\n<ul>\n<li>green\n</ul>\n</DIV>", "<html><body>Hi.</body></html>",
    "「今日は雨だ」", "彼は言った。「雨だ」", "བོད་ཡིག་རེད།", "Τι είναι αυτό;", "ฝนตก", "ຝົນຕົກ", "“ฝนตก”",
    "```md\n# Tea\n```sh\nmake\n```\n```", "Press ` to begin.", "It `is' called a rain.", "`a` and ``b ` c``.",
    "- plan a\n- plan b", "- green and soft\n- **black** and strong",
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
    ("- a.\n  - b:\n    ```sh\n    make.", "a code block"), ("- a.\n\n\t~~~\n\tmake.", "a code block"),
    ("Say:\n\n    ```py\n    print(1).", "a code block"), ("- a.\n\n    ```py\n    b\n\nIt rains.", "a code block"),
    ("> ```\n> make.", "a code block"), ("- ```sh\n  make.", "a code block"),
    ("```md\n    ```\nIt rains.", "a code block"),
    ("> ## Next", "a heading"), ("> It rains", "a sentence that does not end"),
    ("So: $$", "a sentence that does not end"),
    ("$$x$$ and $$", "a sentence that does not end"), ("\\[x\\] and \\]", "a sentence that does not end"),
    ("It costs $$", "a sentence"), ("It costs 3.$", "a sentence"), ("It costs $$ a lot.\n\nSo: $$", "a sentence"),
    ("So:\n\n$$\nx = 1.", "a formula"), ("So $$x = 1.", "a formula"), ("- So:\n\n  \\[\n  x = 1.", "a formula"),
    ("\\begin{align}\na &= b.", "a formula"), ("\\begin{a}\n\\begin{b}\n\\end{b}", "a formula"),
    ("\\end{b}", "a sentence"),
    ("<div>\n<p>It rains</p>", "a sentence"), ("<tea>It rains</tea>", "a sentence"), ("<h1>Tea</h1>", "a sentence"),
    ("これは「雨」", "a sentence"), ("今天「下雨」", "a sentence"), ("It rains;", "a sentence"),
    ("ฝนตก,", "a sentence"),
    ("```md\n# Tea\n```sh\nmake\n```\n```\n```sh", "a code block"), ("It rains.\n\n```", "a code block"),
    ("Run `make.", "inline code"), ("- `green`\n- `bla", "inline code"),
    ("- It is green\n- It is black, because the", "a sentence"), ("- green (soft)\n- black (", "a sentence"),
    ("- **green**\n- **bla", "a sentence"), ("- 绿茶\n- 红茶，因为", "a sentence"),
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
        ("zh", f"- {CHINESE}\n\n    ```py\n    {'print(pencil)  # it writes the history of it  ' * 9}\n    ```", []),
        ("en", f"```md\n{ENGLISH}", []),
        ("zh", f"{CHINESE} Python 3.12", []),
        ("en", "OK", []),
        ("en", "xqzv wkjp vbnq " * 20, ["no language that is known"]),
        ("zh", "", []),
        ("en", f"\x00\x01\ufdd0\uffff\U0001fffe\U0010ffff{ENGLISH}", []),
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
