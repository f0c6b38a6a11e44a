"""The simulator's articles: as long as the prompt asks, in its language, always the same for the same prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.acceptance.words import count_words
from longhand.simulator.prose import (
    DEFAULT_LENGTH,
    LONGEST,
    asked_length,
    is_chinese,
    split,
    topics_of,
    write,
    write_deltas,
)


@pytest.mark.parametrize(
    ("prompt", "length"),
    [
        ("Draft a 150-word note about bees.", 150),
        ("write 1500 words on tidal mills", 1500),
        ("A guide to Lisbon, about 3,000 words", 3000),
        ("At least 400 words. I am 25 years old and have 2 cats.", 400),
        ("A report of 800 to 1000 words, with an abstract of 100 words", 1000),
        ("介绍蜜蜂，200字以内", 200),
        ("约300个字", 300),
        ("写一篇300到400字的短文", 400),
        ("以“tea”为题写一篇300词的英语作文", 300),
    ],
)
def test_the_asked_length_is_read_from_the_prompt(prompt: str, length: int) -> None:
    assert asked_length(prompt) == length


@pytest.mark.parametrize(
    "prompt", ["Tell me about bees.", "一字不差地介绍蜜蜂", "In other words, what is 12 x 12?", ""]
)
def test_a_prompt_that_asks_for_no_length_gets_the_usual_one(prompt: str) -> None:
    assert asked_length(prompt) == DEFAULT_LENGTH


def test_no_prompt_orders_more_than_the_longest_text() -> None:
    assert asked_length("write 999,999,999 words") == LONGEST


@pytest.mark.parametrize(
    "prompt",
    ["Write 100 words about bees", "2500 words on tidal mills", "写一篇200字的蜜蜂介绍", "水乡旅行攻略，5000字左右"],
)
def test_a_text_is_within_a_tenth_of_the_asked_length(prompt: str) -> None:
    assert count_words("".join(write(prompt))) == pytest.approx(asked_length(prompt), rel=0.1)


def test_the_same_prompt_gives_the_same_text_and_another_prompt_or_seed_another_text() -> None:
    text = list(write_deltas("500 words about bees", "a"))
    assert list(write_deltas("500 words about bees", "a")) == text
    assert list(write_deltas("500 words about wasps", "a")) != text
    assert list(write_deltas("500 words about bees", "b")) != text


@pytest.mark.parametrize(
    ("prompt", "chinese"),
    [
        ("Write about bees", False),
        ("介绍蜜蜂", True),
        ("大学英语阅读教学的研究综述", True),
    ],
)
def test_the_text_is_in_the_language_of_the_prompt(prompt: str, chinese: bool) -> None:
    text = "".join(write(prompt))
    han = sum("\u3400" <= sign <= "\u9fff" for sign in text)
    assert is_chinese(prompt) is chinese
    assert (han > len(text) / 2) is chinese


def test_an_article_has_a_title_headings_and_paragraphs_about_the_prompts_own_words() -> None:
    text = "".join(write("Write 1200 words about tidal mills in Brittany"))
    assert text.startswith("# ")
    assert text.count("\n\n## ") >= 4
    assert len(text.split("\n\n")) > 12
    assert all(word in text for word in ("tidal", "mills", "Brittany"))
    assert text.isascii() is False


def test_topics_leave_out_the_words_of_the_order_itself() -> None:
    assert topics_of("Please write about honey bees with 300 words") == ["honey", "bees"]
    assert topics_of("请写一篇关于蜜蜂与花园的文章")[:2] == ["蜜蜂", "花园"]
    assert topics_of("写一篇 150 字的短文，介绍中国茶文化。")[0] == "中国茶文化"
    assert topics_of("主题是长城，写一篇文章。")[0] == "长城"
    assert len(topics_of("")) >= 2


@given(st.text(alphabet=st.characters()) | st.text(alphabet="ab 的一蜂\n。’🌱\ud83d\x00"))
def test_the_deltas_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_deltas_are_the_size_of_tokens() -> None:
    english = list(write_deltas("1000 words about bees"))
    chinese = list(write_deltas("写1000字，介绍蜜蜂"))
    assert max(len(delta.strip()) for delta in english) <= 6
    assert max(sum("\u3400" <= sign <= "\u9fff" for sign in delta) for delta in chinese) == 2
    assert len(english) > 1000


def test_a_word_with_an_umlaut_or_an_accent_is_one_word() -> None:
    assert topics_of("Write about Müller, Brötchen and the Allgäu") == ["Müller", "Brötchen", "Allgäu"]
    assert count_words("Das Café im Allgäu") == 4
