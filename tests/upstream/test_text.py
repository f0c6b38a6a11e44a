"""Text is made storable in the same way however it is cut."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from worker.upstream.text import TextCleaner, make_storable

UNITS = st.sampled_from(["a", "é", "写", "😀", "\ud83d", "\ude00", "\udfff", "\ud800", "\x00", "\u2028", "\ufffd"])
TEXTS = st.one_of(st.lists(UNITS, max_size=30).map("".join), st.text(st.characters(), max_size=30))


def clean(pieces: list[str]) -> str:
    cleaner = TextCleaner()
    return "".join([cleaner.feed(piece) for piece in pieces] + [cleaner.close()])


def clean_plainly(text: str) -> str:
    """UTF-16 knows which halves are a pair; what is still a surrogate after it is lone."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return "".join("\ufffd" if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in joined)


@given(text=TEXTS, places=st.lists(st.integers(0, 30), max_size=10))
@example(text="\ud83d\ude00", places=[1])
@example(text="\ud83d\ud83d\ude00", places=[1, 1, 2])
def test_any_splitting_gives_the_same_text(text: str, places: list[int]) -> None:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    cleaned = clean([text[start:end] for start, end in pairwise(edges)])
    assert cleaned == clean([text])
    assert cleaned == make_storable(text)
    assert cleaned == clean_plainly(text)


@given(text=TEXTS)
def test_cleaned_text_encodes_and_holds_no_nul(text: str) -> None:
    cleaned = clean([text])
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned


@given(text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_clean_text_is_not_touched(text: str) -> None:
    assert clean(list(text)) == text


def test_each_lone_half_and_each_nul_becomes_one_replacement_character() -> None:
    assert clean(["a\ud83d", "b\ude00", "\x00", "\ud83d"]) == "a\ufffdb\ufffd\ufffd\ufffd"


def test_a_first_half_is_held_back_until_its_second_comes() -> None:
    cleaner = TextCleaner()
    assert cleaner.feed("a\ud83d") == "a"
    assert cleaner.feed("") == ""
    assert cleaner.feed("\ude00") == "😀"
    assert cleaner.close() == ""
