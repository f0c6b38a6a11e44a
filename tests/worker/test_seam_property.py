"""Wherever a text is cut, and however its rest is given, the text is there once."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.worker.joining import join
from worker.continuation import ask_for_the_rest, last_words

_NAMES = (
    "anise",
    "birch",
    "cedar",
    "dill",
    "elder",
    "fennel",
    "ginger",
    "hazel",
    "iris",
    "kale",
    "lemon",
    "mint",
    "sage",
)
_CHINESE = "茶馆河水老人窗外渡船木桶商人孩子山路春雨石桥灯火米酒竹林钟声"
_REFRAIN = "And the river runs along the town,\nand nobody knows where it will go.\n\n"
_SURE = ["Sure, here is the rest:\n\n", "Continuing from where I left off:\n\n", "好的，以下是接下来的内容：\n\n"]
_LOOSE = [
    "Sure! I'll continue from where I left off.\n\n",
    "I apologize for the cut-off. Here is the rest:\n\n",
    "**(continued)**\n\n",
    "Okay.\n\n",
    "好的，我继续写。\n\n",
    "Natürlich, hier geht es weiter:\n\n",
    "Bien sûr, voici la suite :\n\n",
    "Claro, aquí sigue el texto:\n\n",
    "...",
    "…",
    "---\n\n",
    '"',
]


def _block(kind: str, number: int) -> str:
    name, other = _NAMES[number % len(_NAMES)], _NAMES[(7 * number + 3) % len(_NAMES)]
    sign = _CHINESE[number % len(_CHINESE)] + _CHINESE[(5 * number + 2) % len(_CHINESE)]
    return {
        "prose": f"Chapter {number} tells how {name} came from hill {number} and was sold beside {other} in town.\n\n",
        "list": f"- Take {number} leaves of {name}.\n- Then wait for {number} hours.\n\n",
        "code": f"```python\nfor {name} in range({number}):\n    {other}.fill({name}, {number})\n```\n\n",
        "nested": f"1. ```sh\n   make {name}{number}\n   ```\n\n2. Look at {other}{number}.\n\n",
        "table": f"| {name} | kind {number} |\n|---|---|\n| {other} | cup {number} |\n\n",
        "chinese": f"第{number}章说{sign}从第{number}座山来，后来人们在{number}号店里把它和{name}放在一起。\n\n",
        "signs": f"\\[ \\frac{{{number}}}{{2}} \\]\n\n\"It's {name},\" he said: 'كتاب\u200cها' and \\{other}.\n\n",
        "refrain": _REFRAIN,
    }[kind]


_PLAIN = ["prose", "list", "code", "nested", "table", "chinese"]


@st.composite
def cut_texts(draw: st.DrawFn, kinds: list[str], first: int = 100) -> tuple[str, str]:
    """A text that is cut somewhere behind its first characters."""
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=first // 25, max_size=40))
    text = "".join(_block(kind, number) for number, kind in enumerate(drawn, 11)) + "That is all of it.\n"
    place = draw(st.integers(first, len(text) - 2))
    return text[:place], text[place:]


def pieces_of(data: st.DataObject, answer: str) -> list[str]:
    size = data.draw(st.integers(1, 900))
    return [answer[at : at + size] for at in range(0, len(answer), size)]


def is_once(before: str, rest: str, pieces: list[str]) -> bool:
    new, seam = join(before, pieces)
    return not seam.began_again and (before + new).split() == (before + rest).split()


@given(st.data())
def test_the_words_that_were_asked_for_join_any_text(data: st.DataObject) -> None:
    before, rest = data.draw(cut_texts([*_PLAIN, "refrain", "refrain"]))
    greeting = data.draw(st.sampled_from(["", *_SURE]))
    assert is_once(before, rest, pieces_of(data, greeting + last_words(before) + rest))


@given(st.data())
def test_the_words_that_were_asked_for_may_be_copied_as_the_message_shows_them(data: st.DataObject) -> None:
    """Also with the quotation marks around them."""
    before, rest = data.draw(cut_texts([*_PLAIN, "signs", "signs", "refrain", "refrain"]))
    message = ask_for_the_rest({}, before, 0)["messages"][-1]["content"]
    [shown] = re.findall(r"which are (.*), and go on from there", message, re.DOTALL)
    copied = data.draw(st.sampled_from([shown, shown[1:-1]]))
    assert is_once(before, rest, pieces_of(data, copied + rest))


@given(st.data())
def test_what_is_put_before_the_words_that_were_asked_for_is_cut(data: st.DataObject) -> None:
    before, rest = data.draw(cut_texts(_PLAIN))
    asked = last_words(before)
    asked = data.draw(st.sampled_from([asked, " ".join(asked.split()) + asked[len(asked.rstrip()) :]]))
    assert is_once(before, rest, pieces_of(data, data.draw(st.sampled_from(_LOOSE)) + asked + rest))


@given(st.data())
def test_a_repetition_of_any_length_up_to_the_whole_text_is_cut(data: st.DataObject) -> None:
    before, rest = data.draw(cut_texts(_PLAIN))
    begin = data.draw(st.one_of(st.just(0), st.integers(0, len(before) - 60)))
    greeting = data.draw(st.sampled_from(["", *_SURE, *_LOOSE]))
    assert is_once(before, rest, pieces_of(data, greeting + before[begin:] + rest))


@given(st.data())
def test_a_rest_without_any_repetition_stays_as_it_is(data: st.DataObject) -> None:
    before, rest = data.draw(cut_texts(_PLAIN))
    assert is_once(before, rest, pieces_of(data, rest))


@given(st.data())
def test_a_block_that_begins_anew_stays_as_it_is(data: st.DataObject) -> None:
    """Also one that stands in the text already, as a file that is shown again does."""
    kinds = data.draw(st.lists(st.sampled_from(_PLAIN), min_size=6, max_size=20))
    blocks = [_block(kind, number) for number, kind in enumerate(kinds, 11)]
    before = "".join(blocks)
    again = data.draw(st.integers(2, len(blocks) - 4))
    rest = "".join(blocks[again : again + 3]) + "But all of this came later.\n"
    assert is_once(before, rest, pieces_of(data, rest))


@given(st.data())
def test_another_version_of_the_text_is_never_joined_to_it(data: st.DataObject) -> None:
    before, _ = data.draw(cut_texts(["prose", "chinese"], 500))
    same = data.draw(st.integers(300, len(before) - 40))
    answer = before[:same] + " Another one began in another way, and went on.\n\n" * 20
    new, seam = join(before, pieces_of(data, answer))
    assert (new, seam.began_again, seam.skipped) == ("", True, len(answer))


@given(st.data())
def test_a_rest_that_goes_back_and_ends_before_the_end_of_the_text_brings_nothing(data: st.DataObject) -> None:
    """By the token limit, or by itself: then the text is not whole either."""
    before, _ = data.draw(cut_texts(_PLAIN, 500))
    begins = [0, *(at for at in range(1, len(before) - 120) if before[at].isalpha() and before[at - 1] == "\n")]
    begin = data.draw(st.sampled_from(begins))
    end = data.draw(st.integers(begin + 80, len(before) - 30))
    greeting = data.draw(st.sampled_from(["", *_SURE]))
    at_limit = data.draw(st.booleans())
    new, seam = join(before, pieces_of(data, greeting + before[begin:end]), is_early=at_limit)
    lines = f"\n{before[begin:end].rstrip()}\n" in f"\n{before}\n"
    if at_limit or not lines or before[-1].isalnum():
        assert (new, seam.left_out) == ("", greeting + before[begin:end])
        assert seam.began_again is not at_limit


def _rows(kind: str, count: int) -> list[str]:
    """Lines that begin alike."""
    return [
        {
            "code": f"insert({row}, kind=None, place=None, price=None, note=None, name='{_NAMES[row % 13]}');",
            "json": f'  {{"type": "Feature", "geometry": {{"type": "Point", "coordinates": [{row}, {row * 3}]}}}},',
            "song": f"And the river runs along the town, and nobody knows what came in year {row}",
        }[kind]
        for row in range(count)
    ]


@st.composite
def cut_rows(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    rows = _rows(draw(st.sampled_from(["code", "json", "song"])), 30)
    at = draw(st.integers(5, 28))
    return rows[:at], rows[at:]


@given(st.data())
def test_a_line_that_begins_as_all_others_may_be_begun_anew(data: st.DataObject) -> None:
    rows, others = data.draw(cut_rows())
    line = others[0]
    place = data.draw(st.integers(7 if line.startswith("  {") else 1, 60))
    before = "\n".join([*rows, line[:place]])
    new, seam = join(before, pieces_of(data, "\n".join(others)))
    assert not seam.began_again
    assert "".join((before + new).split()) == "".join("".join([*rows, *others]).split())


@given(st.data())
def test_a_rest_may_begin_with_the_line_break(data: st.DataObject) -> None:
    """Or without it, as an answer has none at its beginning."""
    rows, others = data.draw(cut_rows())
    begin = data.draw(st.sampled_from(["\n"] if rows[0][-1].isalnum() else ["\n", ""]))
    new, seam = join("\n".join(rows), pieces_of(data, begin + "\n".join(others)))
    assert not seam.began_again
    assert new.split() == "\n".join(others).split()


@given(st.data())
def test_an_exact_rest_stays_behind_a_greeting_that_is_one(data: st.DataObject) -> None:
    rows, others = data.draw(cut_rows())
    place = data.draw(st.integers(3, 60))
    before, rest = "\n".join([*rows, others[0][:place]]), "\n".join([others[0][place:], *others[1:]])
    new, seam = join(before, pieces_of(data, data.draw(st.sampled_from(_SURE)) + rest))
    assert not seam.began_again
    assert "".join((before + new).split()) == "".join((before + rest).split())
