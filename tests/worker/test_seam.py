"""The seam of a text whose rest was asked for in a new message: nothing is doubled, nothing is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.joining import cut_seam
from worker import greeting, rest
from worker.continuation import last_words
from worker.repetition import HELD
from worker.seam import Seam

ENGLISH = (
    "# Tea\n\nTea is a drink made from leaves. It was first known in China, where monks drank it to stay awake.\n\n"
    "## How it is made\n\n- Boil water, and let it cool for a minute.\n- Pour it over the leaves.\n- Wait.\n\n"
    "| kind | minutes |\n|---|---|\n| green | 2 |\n| black | 4 |\n\n"
    "```python\nfor cup in cups:\n    cup.fill(90)\n```\n\n"
    "Whoever drinks it slowly tastes more of it. That is why nobody hurries here, and why the cups are small.\n"
)
CHINESE = (
    "# 茶\n\n茶是用茶树的叶子做成的饮料，最早出现在中国。僧人们喝茶来保持清醒，后来它传到了世界各地。\n\n"
    "## 怎么泡茶\n\n先把水烧开，放凉一分钟，再倒在茶叶上。慢慢喝的人能尝到更多的味道，所以这里没有人着急。\n"
)

CODE = (
    "```js\nfill(function () {\n  cups.map(function (cup) {\n    pour({ into: [ [1, 2], [3, 4] ] });\n"
    "  });\n});\n```\n\n"
    "```html\n<ul>\n  <li>\n    <ul>\n      <li>green</li>\n    </ul>\n  </li>\n</ul>\n<br>\n<br>\n```\n\n"
    "```\n0;0\n0;0\n1;0\n```\n\n```c\nif (a) {\n    while (b) {\n        b--;\n    }\n}\n```\n\n"
    "---\n\n---\n\nThat is all of it.\n"
)

THAI = (
    "แม่น้ำไหลลงมาจากภูเขา และเมืองทุกแห่งริมฝั่งต่างจดจำน้ำท่วมที่แตกต่างกัน พ่อค้านับถังไม้ขณะที่เด็กๆเฝ้าดูเรือข้ามฟากแล่นไป"
    "อย่างช้าๆจนถึงเมืองสุดท้ายที่ปลายทางซึ่งไม่มีใครรู้จักชื่อของมันอีกต่อไปแล้ว และทุกคนก็กลับบ้าน "
)
GERMAN = (
    "Der Fluss entspringt früh im Gebirge, und jede Stadt an seinen Ufern erinnert sich an eine andere Überschwemmung. "
    "Händler zählten Fässer, während Donaudampfschifffahrtsgesellschaftskapitäne auf besseres Wetter warteten.\n"
)


def words_before(text: str, count: int) -> str:
    """The end of a text from the beginning of one of its words on."""
    places = [
        place for place in range(len(text)) if text[place].isalpha() and (place == 0 or text[place - 1].isspace())
    ]
    return text[places[-count] :] if count and len(places) >= count else ""


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, CODE], ids=["English", "Chinese", "code"])
def test_a_rest_that_is_exact_stays_as_it_is_wherever_the_text_was_cut(text: str) -> None:
    wrong = [cut for cut in range(60, len(text) - 1) if text[:cut] + cut_seam(text[:cut], text[cut:]) != text]
    # A word that stands twice by itself, such as a cell of a table, cannot be told from a repetition.
    assert len(wrong) <= len(text) // 100, [text[cut - 10 : cut + 10] for cut in wrong]


@pytest.mark.parametrize("words", [1, 2, 3, 8, 20, 40])
def test_repeated_words_are_cut_wherever_the_text_was_cut(words: int) -> None:
    wrong = []
    for cut in range(200, len(ENGLISH) - 1):
        before, rest = ENGLISH[:cut], ENGLISH[cut:]
        repeated = words_before(before, words)
        if repeated and (words > 1 or len(repeated) > 3) and cut_seam(before, repeated + rest) != rest:
            wrong.append(before[-30:] + "<>" + rest[:15])
    assert len(wrong) <= (len(ENGLISH) // 50 if words == 1 else 3), wrong


@pytest.mark.parametrize("characters", [2, 5, 20, 60])
def test_repeated_chinese_characters_are_cut(characters: int) -> None:
    places = range(80, len(CHINESE) - 1)
    wrong = [cut for cut in places if cut_seam(CHINESE[:cut], CHINESE[cut - characters :]) != CHINESE[cut:]]
    assert len(wrong) <= 3, [CHINESE[cut - 10 : cut + 5] for cut in wrong]


@pytest.mark.parametrize(
    "words",
    [
        "Sure, here is the rest:\n\n",
        "Here's the continuation of the article:\n",
        "Of course! Continuing from where I left off:\n\n",
        "I'll continue from where it stopped: ",
        "好的，以下是接下来的内容：\n\n",
        "继续上文：\n",
    ],
)
def test_a_greeting_that_names_the_continuing_is_cut(words: str) -> None:
    assert cut_seam("Tea is a drink made", f"{words}made from leaves. It is old.") == " from leaves. It is old."
    assert cut_seam("Tea is a drink. ", f"{words}It is old.") == "It is old."


@pytest.mark.parametrize(
    "rest", [" Sure enough, it rained.", "Here is the tea that he had asked for.", "Continuity matters."]
)
def test_a_sentence_that_only_looks_like_a_greeting_stays(rest: str) -> None:
    assert cut_seam("He looked up. ", rest).strip() == rest.strip()


def test_a_fence_that_is_open_is_not_opened_again() -> None:
    before = "Look:\n\n```python\nfor cup in cups:\n    cup"
    assert cut_seam(before, "```python\nfor cup in cups:\n    cup.fill(90)\n```\n") == ".fill(90)\n```\n"
    assert cut_seam("Look:\n\n", "```python\ncups = 3\n```\n") == "```python\ncups = 3\n```\n"
    assert cut_seam("Look:\n\n```python", "```python\ncups = 3\n```\n") == "\ncups = 3\n```\n"


def test_a_fence_that_closes_stays() -> None:
    """It was taken for one that opens again, and the rest of the article was inside of the code."""
    closed = "```\n\nThat is all.\n"
    assert cut_seam("```python\ndef fill():\n    pass\n", closed) == closed
    assert cut_seam("```python\ndef fill():\n    pass", "\n" + closed) == "\n" + closed
    assert cut_seam("```\ncups = 3\n", closed) == closed


def test_a_fence_without_a_language_that_opens_again_goes() -> None:
    assert cut_seam("```\ncups = 3\n", "```\npots = 1\n```\n\nThat is all.\n") == "pots = 1\n```\n\nThat is all.\n"


def test_the_space_that_an_answer_cannot_begin_with_is_put_back() -> None:
    assert cut_seam("It is old.", "Monks drank it.") == " Monks drank it."
    assert cut_seam("It is old.\n\n", "Monks drank it.") == "Monks drank it."
    assert cut_seam("It is ol", "d.") == "d."


@given(st.text(), st.lists(st.text(min_size=1), max_size=30))
def test_the_pieces_in_which_an_answer_comes_change_nothing(before: str, pieces: list[str]) -> None:
    told: list[str] = []
    seam = Seam(before, told.append)
    for piece in pieces:
        seam.feed(piece)
    seam.close()
    answer = "".join(pieces)
    assert "".join(told) == cut_seam(before, answer) or len(answer) > HELD
    assert "".join(told).endswith(answer[2 * HELD :])


def test_what_is_held_back_is_told_as_soon_as_it_is_long_enough() -> None:
    told: list[str] = []
    seam = Seam("Tea is", told.append)
    for _ in range(HELD // 10 - 1):
        seam.feed(" and more.")
    assert told == []
    seam.feed(" and more.")
    assert "".join(told) == " and more." * (HELD // 10)
    seam.feed(" The end.")
    assert told[-1] == " The end."
    assert seam.cut == ""


@pytest.mark.parametrize("open_fence", [False, True])
@pytest.mark.parametrize("size", [7, 65_536])
def test_no_pattern_sees_more_than_the_beginning_of_white_space_and_only_a_few_times(
    monkeypatch: pytest.MonkeyPatch, open_fence: bool, size: int
) -> None:
    """A piece of 64 kB of spaces took the worker, with all its streams, 25 s of CPU."""
    matched: list[int] = []

    class Counting:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self._pattern = pattern

        def match(self, text: str, *begin: int) -> re.Match[str] | None:
            matched.append(len(text))
            return self._pattern.match(text, *begin)

    for module, name in ((greeting, "_NAMES_ITSELF"), (rest, "_OPENED"), (rest, "_SIGNS")):
        monkeypatch.setattr(module, name, Counting(getattr(module, name)))
    before = "```\ncode " if open_fence else "Some text before. "
    answer = " " * 65_535 + "x"
    assert cut_seam(before, *(answer[at : at + size] for at in range(0, len(answer), size))).strip() == "x"
    assert 0 < len(matched) < 30
    assert max(matched) <= HELD


def test_nothing_counts_as_cut_of_an_answer_that_gets_a_space_before_it() -> None:
    got: list[str] = []
    seam = Seam("Tea is warm.", got.append)
    seam.feed("Rain is wet.")
    seam.close()
    assert (got, seam.cut, seam.skipped) == ([" Rain is wet."], "", -1)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, CODE, THAI, GERMAN], ids=["en", "zh", "code", "th", "de"])
def test_the_words_that_the_request_quotes_are_cut_wherever_the_text_was_cut(text: str) -> None:
    """80 characters stood twice: the quote began inside a word, and a repetition was looked for at words only."""
    wrong = []
    for cut in range(90, len(text) - 1):
        before, rest = text[:cut], text[cut:]
        if "".join(cut_seam(before, last_words(before) + rest).split()) != "".join(rest.split()):
            wrong.append(before[-30:] + "<>" + rest[:15])
    assert wrong == []


def test_a_repetition_that_begins_inside_a_word_is_cut_if_it_is_long() -> None:
    before = "Monks drank tea with condensed milk because it kept them awake all night"
    assert cut_seam(before, "densed milk because it kept them awake all night, and so on.") == ", and so on."
    assert cut_seam("He laughed: hahahahahahahahahahahahahahaha", "hahahahahahahahahahahahaha!").endswith("haha!")


def test_lines_that_stand_many_times_are_cut_as_often_as_the_request_quotes_them() -> None:
    line = "The river runs and runs.\n"
    before = line * 20
    assert cut_seam(before, last_words(before) + line * 5 + "The end.") == line * 5 + "The end."


@given(st.data())
def test_new_text_that_shares_short_words_with_the_end_is_never_cut(data: st.DataObject) -> None:
    """It begins with the end of the last word, with other words of the text, or with a few letters of both."""
    words = st.lists(
        st.sampled_from(["tea", "a", "leaf", "the", "made", "cup", "of", "stones"]), min_size=3, max_size=40
    )
    before = (
        " ".join(data.draw(words)) + " " + data.draw(st.sampled_from(["overthrow", "steamship", "internationally"]))
    )
    ending = before[-data.draw(st.integers(2, 6)) :]
    new = data.draw(st.sampled_from([ending, "tea", "made of", "cup"])) + " and " + " ".join(data.draw(words))
    assert cut_seam(before, new) == new


@given(st.text(), st.integers(0, 200))
def test_the_quoted_words_are_the_end_of_the_text_and_never_empty(text: str, spaces: int) -> None:
    quoted = last_words(text + "x" + " " * spaces)
    assert quoted.strip()
    assert (text + "x" + " " * spaces).rstrip().endswith(quoted.rstrip())


@pytest.mark.parametrize(
    ("before", "rest"),
    [
        ("मेले में रामदीन ", "ने कहा।"),
        ("उम्र बत्तीस", " साल थी।"),
        ("These are birds tha", "t had flown."),
        ("There you’l", "l find it."),
    ],
)
def test_a_letter_inside_a_word_is_no_repetition(before: str, rest: str) -> None:
    """Neither before a sign of a vowel, nor around the mark in "you'll", nor across a space that the text has not."""
    assert cut_seam(before, rest) == rest


def test_words_of_a_script_without_spaces_are_a_repetition_wherever_they_begin() -> None:
    before, rest = "ยายเล่าว่าเมื่อก่อนคลองสายนี้มีเรือแน่น", "จนเดินข้ามได้"
    assert cut_seam(before, before[-12:] + rest) == rest
