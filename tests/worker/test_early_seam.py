"""An answer that was stopped before its seam was decided: no half of a repetition or greeting gets into the text."""

import pytest

from worker.seam import Seam

BEFORE = "Monks drank tea to stay awake. Later it came to every town along the river, where people drink it with milk"
GREETING = "Sure! Here is the continuation of the text, from where it stopped:\n\n"
REPEATED = "Later it came to every town along the river, where people drink it with milk"


def stopped(before: str, answer: str) -> tuple[str, str]:
    """What is new of it, and what was cut, if nothing more comes."""
    new: list[str] = []
    seam = Seam(before, new.append)
    seam.feed(answer)
    seam.close(is_early=True)
    return "".join(new), seam.cut


@pytest.mark.parametrize("answer", [GREETING + REPEATED, REPEATED, "Here's the rest:\n" + REPEATED[30:]])
def test_wherever_an_answer_stops_in_its_greeting_or_repetition_all_of_it_is_cut(answer: str) -> None:
    kept = {size: new for size in range(1, len(answer) + 1) if (new := stopped(BEFORE, answer[:size])[0])}
    assert kept == {}
    assert stopped(BEFORE, answer[:-5])[1] == answer[:-5]


def test_wherever_a_chinese_answer_stops_in_its_greeting_or_repetition_all_of_it_is_cut() -> None:
    before, greeting = (
        "僧人们喝茶来保持清醒，后来它传到了世界各地。慢慢喝的人能尝到更多的味道",
        "好的，以下是接下来的内容：\n\n",
    )
    answer = greeting + "后来它传到了世界各地。慢慢喝的人能尝到更多的味道"
    assert [size for size in range(1, len(answer) + 1) if stopped(before, answer[:size])[0]] == []


def test_what_comes_behind_greeting_and_repetition_is_kept_wherever_it_stops() -> None:
    rest = " and sugar. Others do not, and find that the leaves alone are enough."
    for size in range(2, len(rest) + 1):  # the first one is a space
        assert stopped(BEFORE, GREETING + REPEATED + rest[:size])[0] == rest[:size]


@pytest.mark.parametrize(
    "new", [", and sugar.", " Sure enough, it rained", " Here is a cup", "Understanding", " continue to", "; 1"]
)
def test_new_words_that_stop_are_kept(new: str) -> None:
    assert stopped(BEFORE, new) == (new, "")


def test_wherever_an_answer_stops_that_begins_a_long_text_again_nothing_of_it_is_kept() -> None:
    before = "".join(f"Monk {number} drank tea in town {number}, and stayed up.\n" for number in range(40)) + "At last"
    answer = before + " they all slept."
    assert [size for size in range(100, len(before) + 1, 7) if stopped(before, answer[:size])[0]] == []
    assert stopped(before, answer)[0] == " they all slept."
