"""The loop guard: what is a loop, what is none, and where a text is cut."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longhand.simulator.prose import write
from worker.loop_guard import LONGEST_PERIOD, SHORTEST_TEXT, LoopGuard
from worker.upstream.errors import Repetition

AFTER_THIRD = 2048

ENGLISH = "".join(write("Write 1500 words about tea."))
CHINESE = "".join(write("写一篇2000字的文章，介绍茶。"))


def cut(text: str, cuts: Callable[[], int] = lambda: 7) -> tuple[Repetition, int] | None:
    """How a text is cut that comes in pieces of so many characters, and after how many bytes."""
    come = bytearray()
    guard = LoopGuard("text", come, lambda piece: come.extend(piece.encode()))
    at = 0
    try:
        while at < len(text):
            size = cuts()
            guard.add(text[at : at + size])
            at += size
    except Repetition as error:
        return error, len(come)
    return None


@pytest.mark.parametrize("before", [ENGLISH, CHINESE, ""], ids=["english", "chinese", "nothing"])
@pytest.mark.parametrize("period", [8, 20, 63, 64, 300, 1111, LONGEST_PERIOD])
def test_a_loop_is_cut_within_two_kilobytes_after_its_third_time(before: str, period: int) -> None:
    piece = ENGLISH.encode("ascii", "ignore").decode()[40 : 40 + period - 3] + "é."
    assert len(piece.encode()) == period
    found = cut(before + piece * (30 + 9000 // period))
    assert found is not None
    error, length = found
    begun = len(before.encode())
    assert length <= max(begun + 3 * period, SHORTEST_TEXT) + AFTER_THIRD + 7
    # The piece may begin as the text before it ends, so that a few bytes of that text belong to the loop.
    assert begun + period - 64 <= error.kept <= begun + period


def test_what_is_kept_ends_before_the_second_time() -> None:
    found = cut(ENGLISH + "\n\nNow it goes on. " + "我们喝茶，因为茶很好喝。" * 200)
    assert found is not None
    error, length = found
    kept, rest = error.cut((ENGLISH + "\n\nNow it goes on. " + "我们喝茶，因为茶很好喝。" * 200).encode(), b"thought")
    assert kept.decode().endswith("Now it goes on. 我们喝茶，因为茶很好喝。")
    assert rest == b"thought"
    assert "我们喝茶" in error.message
    assert f"from byte {len(kept) - 36} of its text on" in error.message
    assert length > len(kept)


def test_the_loop_of_a_part_of_a_loop_is_passed() -> None:
    """The last bytes of each time are a smaller loop, which ends every time."""
    piece = ENGLISH[:900] + "ha, " * 240
    found = cut(ENGLISH + piece * 6)
    assert found is not None
    assert found[0].kept == len((ENGLISH + piece).encode())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), most=st.integers(1, 5000))
def test_it_does_not_matter_in_which_pieces_a_text_comes(seed: int, most: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(8, 600)
    text = ENGLISH[: chance.randrange(6000)] + CHINESE[100 : 100 + size] * (3 + 6000 // size)
    whole, pieces = cut(text, lambda: len(text)), cut(text, lambda: chance.randint(1, most))
    assert whole is not None
    assert pieces is not None
    assert pieces[0].kept == whole[0].kept
    assert pieces[0].message == whole[0].message
    text.encode()[: whole[0].kept].decode()  # it ends at the end of a character


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_two_times_are_no_loop(seed: int) -> None:
    chance = random.Random(seed)
    start = chance.randrange(4000)
    piece = ENGLISH[start : start + chance.randint(8, 2000)]
    assert cut(ENGLISH + piece * 2 + CHINESE + piece * 2 + ENGLISH) is None


REFRAIN = "Row, row, row your boat, gently down the stream, merrily, merrily, merrily, merrily, life is but a dream.\n"
VERSES = [f"Verse {number}: {ENGLISH[number * 90 : number * 90 + 80]}\n{REFRAIN * 3}\n" for number in range(40)]
PARALLEL = [
    f"{one}有{other}，{other}有{one}；" for one in "天地人山水火木金土风云雨雪花月" for other in "春夏秋冬东西南北中"
]
TABLE = [f"| {number:4} | 0.00 | 0.00 | none |\n" for number in range(400)]


@pytest.mark.parametrize(
    "text",
    [
        "".join(VERSES),
        "".join(PARALLEL) * 3,
        "|------|------|------|------|\n" + "".join(TABLE),
        ENGLISH + "\n" + "=" * 4000 + "\n" + ENGLISH,
        ENGLISH + "|    |    |    |    |\n" * 200 + ENGLISH,
        ENGLISH + "    0, 0, 0, 0, 0, 0, 0, 0,\n" * 200 + ENGLISH,
        ENGLISH + "".join(f"Step {number}: stir the tea and wait for a minute.\n" for number in range(300)),
        "".join(f"- item {number % 17}, item {number % 19}\n" for number in range(500)),
        "def test() -> None:\n    pass\n\n\n" * 50 + ENGLISH,
    ],
    ids=["refrains", "parallel prose", "table", "rule", "empty rows", "zeros", "counted steps", "list", "code"],
)
def test_what_repeats_its_form_is_no_loop(text: str) -> None:
    assert len(text.encode()) > SHORTEST_TEXT
    assert cut(text) is None


@pytest.mark.parametrize("piece", ["=", "ha ", "哈", "| 0 | 0 | 0 |\n", "0, "])
def test_even_rows_and_single_signs_do_not_go_on_for_ever(piece: str) -> None:
    found = cut(ENGLISH + "\n\n" + piece * 20_000)
    assert found is not None
    assert found[1] <= len(ENGLISH.encode()) + 13_000


def test_a_short_text_may_repeat_itself() -> None:
    assert cut("I will not talk in class.\n" * 150) is None


def test_text_that_an_attempt_continues_counts() -> None:
    line = "All work and no play makes Jack a dull boy.\n"
    come = bytearray((ENGLISH + line * 60).encode())
    guard = LoopGuard("text", come, lambda piece: come.extend(piece.encode()))
    with pytest.raises(Repetition) as raised:
        guard.add(line * 20)
    assert raised.value.kept == len((ENGLISH + line).encode())
