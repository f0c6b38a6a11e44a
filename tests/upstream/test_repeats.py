"""What is a repeat of the text so far, and what is text that repeats itself."""

import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import accumulate

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from worker.upstream.errors import RepeatedText
from worker.upstream.repeats import Repeats

RULE = "#" * 79 + "\n"
SAW = '{"type":"product","currency":"EUR","available":true,"category":"tools","name":"saw"'
HAMMER = SAW.replace("saw", "hammer") + ',"price":12}\n'
ROW = "Row, row, row your boat, gently down the stream, merrily merrily,\n"
WORDS = ["The ", "history ", "of ", "tea ", "begins ", "in the ", "mountains ", "of the south, "]

LIKE = st.lists(
    st.sampled_from(["ha", "好", "a", "-", "----", "\n", "- tea\n", '{"a":', "1", "10", "100", ROW, RULE, SAW, *WORDS]),
    min_size=1,
    max_size=4,
).map("".join)
"""Deltas that are much like each other: repetitions, equal beginnings, long common prefixes."""


def read(deltas: Iterable[str], *, known: bool = False) -> str:
    repeats = Repeats()
    return "".join([repeats.feed(delta) for delta in deltas]) + repeats.close(is_known_to_repeat=known)


def begins_with_all(deltas: Sequence[str]) -> list[int]:
    """The places of the deltas that begin with all the text before them."""
    return [place for place in range(1, len(deltas)) if deltas[place].startswith("".join(deltas[:place]))]


def is_exception(deltas: Sequence[str]) -> bool:
    """Whether this is one of the ordinary texts that docs/decisions.md names as read wrongly: three deltas in a row of
    which each begins with the one before, or a delta that is all of at least two before it.
    """
    for place in begins_with_all(deltas):
        before = "".join(deltas[:place])
        if place > 1 and deltas[place] == before and len(before) >= 16:
            return True
        if deltas[place + 1 : place + 2] and deltas[place + 1].startswith(deltas[place]):
            return True
    return False


@given(deltas=st.lists(LIKE, min_size=1, max_size=8), again=st.integers(0, 8), more=LIKE)
@example(deltas=[RULE, "# Backup\n", RULE + "\nimport os\n" * 9, "main()\n"], again=0, more="")
@example(deltas=[SAW, ',"price":10}\n', HAMMER, "end"], again=0, more="")
@example(deltas=[ROW, "life is but a dream.\n\n", ROW + "if you see a crocodile", "."], again=0, more="")
@example(deltas=["-----", "-----", "------", "-" * 16, "\nend"], again=0, more="")
@example(deltas=["a ", "b ", "c, and so on, to the end of it.\n"], again=3, more="more")
def test_an_ordinary_text_comes_out_whole_however_it_repeats_itself(deltas: list[str], again: int, more: str) -> None:
    if again:  # the first deltas again in one, and more
        deltas = [*deltas, "".join(deltas[:again]) + more]
    assume(not is_exception(deltas))
    assert read(deltas) == "".join(deltas)


@given(pieces=st.lists(LIKE, min_size=3, max_size=40))
def test_a_text_whose_deltas_each_repeat_it_comes_out_once(pieces: list[str]) -> None:
    assert read(accumulate(pieces)) == "".join(pieces)


@given(pieces=st.lists(st.sampled_from(WORDS), min_size=3, max_size=40, unique_by=None))
def test_a_text_that_is_replayed_at_its_end_comes_out_once(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assume(len(whole) >= 16 and len(set(whole)) >= 8 and not begins_with_all(pieces))
    assert read([*pieces, whole]) == whole


@pytest.mark.parametrize("deltas", [["好", "好的"], ["ha", "haha!"], ["1", "10"], [ROW, ROW], [ROW, ROW + "The end."]])
def test_two_deltas_lose_no_text_on_a_guess(deltas: list[str]) -> None:
    assert read(deltas) == "".join(deltas)


def test_two_equal_deltas_are_two_lines_also_from_one_that_repeats() -> None:
    assert read(["Yes.", "Yes."], known=True) == "Yes.Yes."


@pytest.mark.parametrize("deltas", [["好", "好的"], ["Yes", "Yes."]])
def test_two_deltas_of_an_upstream_that_repeats_are_one_text(deltas: list[str]) -> None:
    assert read(deltas, known=True) == deltas[-1]


def test_an_upstream_that_repeats_is_not_held_to_it_when_it_sends_increments() -> None:
    assert read(["ha", "!", "ha!"], known=True) == "ha!ha!"


def test_the_same_delta_twice_at_the_beginning_hides_no_repeating() -> None:
    assert read(["Tea", "Tea", "Tea is", "Tea is good."]) == "Tea is good."


def test_the_last_whole_text_may_come_twice() -> None:
    assert read(["好", "好的", "好的"], known=True) == "好的"
    assert read(["好", "好的", "好的吧", "好的吧"]) == "好的吧"


@pytest.mark.parametrize(
    "deltas",
    [
        ["[", *["[0, 0, 0, 0],\n"] * 8],
        ["=", *["===="] * 8, "\nTitle"],
        ["哈", *["哈哈哈"] * 8, "，太好笑了。"],
        ["We shall over", "come, ", *["We shall overcome, some day.\n"] * 2],
        ["-", "--", "--"],
    ],
    ids=lambda deltas: deltas[0],
)
def test_equal_deltas_do_not_grow(deltas: list[str]) -> None:
    """Eight rows of zeros behind a bracket were taken for the text again, and one was stored."""
    assert read(deltas) == "".join(deltas)
    repeats = Repeats()
    for delta in deltas:
        repeats.feed(delta)
    repeats.close()
    assert not repeats.is_cumulative


@pytest.mark.parametrize(
    ("deltas", "is_learned"),
    [
        (["1", "10", "100"], False),  # a guess at the end
        (list(accumulate(WORDS[:5])), False),  # a list may grow so, once
        (["Tea", *list(accumulate(WORDS))], False),  # it began otherwise
        (list(accumulate(WORDS)), True),
    ],
)
def test_few_or_doubtful_repeats_teach_nothing_of_the_upstream(deltas: list[str], is_learned: bool) -> None:
    repeats = Repeats()
    for delta in deltas:
        repeats.feed(delta)
    repeats.close()
    assert repeats.is_cumulative is is_learned


def test_a_replay_in_the_middle_is_cut_out_and_the_text_goes_on() -> None:
    # As in openclaw/openclaw#136262: one delta is all of the text so far, and increments follow it.
    text = "The history of tea begins in the mountains."
    deltas = [text[start : start + 4] for start in range(0, len(text), 4)]
    assert read([*deltas, text, " It is", " long."]) == text + " It is long."


def test_a_long_text_is_compared_to_its_last_character() -> None:
    text = "".join(f"word {number} " for number in range(3000))
    deltas = [text[start : start + 7] for start in range(0, len(text), 7)]
    assert read([*deltas, text]) == text
    changed = text[:-5] + "!" + text[-4:]
    assert read([*deltas, changed, " And so on."]) == text + changed + " And so on."


def test_an_upstream_that_repeats_and_changes_what_it_sent_is_found_out() -> None:
    text = "The history of tea is long, and it begins in the mountains of the south, where it rains."
    with pytest.raises(RepeatedText):
        read([text[:10], text[:40], text[:70], text[:66] + "changed" + text[70:]])


def test_what_is_held_back_of_equal_deltas_without_end_is_bounded() -> None:
    repeats = Repeats()
    given = "".join(repeats.feed("ha") for _ in range(100))
    assert len(given) > 180
    assert given + repeats.close() == "ha" * 100


@pytest.mark.parametrize("characters", [4, 1000, 100_000])
def test_of_a_long_text_little_is_kept(characters: int) -> None:
    repeats = Repeats()
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1000))) * (1 + characters // 1000)
    tracemalloc.start()
    for place in range(8_000_000 // characters if characters > 4 else 20_000):
        repeats.feed(text[place % 500 : place % 500 + characters])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_200_000


def feed_message(deltas: Iterable[str], message: str) -> str:
    repeats = Repeats()
    return "".join([repeats.feed(delta) for delta in deltas]) + repeats.feed_message(message) + repeats.close()


def test_a_message_that_is_all_of_the_text_settles_what_is_in_doubt() -> None:
    assert feed_message(["ha", "haha!"], "hahaha!") == "hahaha!"
    assert feed_message(["好", "好的"], "好的") == "好的"


def test_a_message_that_says_it_otherwise_cuts_nothing_into_the_text() -> None:
    # Only its beginning is the text's: what the deltas said stands.
    assert feed_message([ROW, "the end"], ROW + "THE END, and more") == ROW + "the end"
    assert feed_message([ROW, "the end"], ROW + "the end, and more") == ROW + "the end, and more"
