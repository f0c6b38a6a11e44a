"""How long a text a prompt asks for and in which language, read from the prompt alone."""

import re

DEFAULT_LENGTH = 300
# A prompt cannot order more than this: a mistyped number must not keep the simulator writing for a day.
LONGEST = 100_000
WORDS_PER_PAGE = 200

_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3400-\u9fff](?:[^\W\d_\u3400-\u9fff]|['’-])*")
_WANTS_ENGLISH = re.compile(r"用英文|用英语|英语作文|英文作文|\bin English\b", re.IGNORECASE)
_WANTS_CHINESE = re.compile(r"用中文|\bin (?:standard |simplified |decent )*Chinese\b|\bChinese news\b", re.IGNORECASE)

# Bounded, and begun only where digits begin: a prompt that is one long number must not take quadratic time.
_NUMBER = r"(?<![\d,])\d[\d,]{0,15}"
_HAN_NUMBER = "[一二两三四五六七八九十百千万零]{2,}|[一二两三四五六七八九]"
_ENGLISH_LENGTH = re.compile(rf"({_NUMBER})[\s-]*(?:words?|Wörter|Worte|mots|palabras|parole)\b", re.IGNORECASE)
_ENGLISH_PAGES = re.compile(r"(\d+)[\s-]*pages?\b", re.IGNORECASE)
_CHINESE_LENGTH = re.compile(rf"(?P<number>{_NUMBER}|[一二两三四五六七八九十百千万零]{{2,}})\s*个?[字词]")
# "Length: around 2000", with no unit after it.
_CHINESE_LABELLED = re.compile(rf"字数\D{{0,6}}?({_NUMBER})")
# "five diaries, each of 400 characters", "in two parts, each of 1000".
_PARTS = re.compile(rf"(\d+|{_HAN_NUMBER})\s*(?:部分|篇|段|章|份|个|封|节|首|幕|则|条)")
_EACH_BEFORE_NUMBER = re.compile(r"(?:每.|各)[^，。,.;；\n\d]{0,4}$")
_EACH_AFTER_WORDS = re.compile(r"^\s*(?:each\b|per (?:part|section|chapter|entry)\b)", re.IGNORECASE)
_ENGLISH_PARTS = re.compile(r"\b(\d+|two|three|four|five|six|seven|eight|nine|ten)\s+[a-z]+s\b", re.IGNORECASE)
_ENGLISH_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}


def wants_chinese(prompt: str) -> bool:
    """Whether the text is to be Chinese: the prompt's own language, unless the prompt names one."""
    if _WANTS_ENGLISH.search(prompt):
        return False
    return bool(_WANTS_CHINESE.search(prompt)) or len(_HAN.findall(prompt)) > len(_LATIN_WORD.findall(prompt))


def count_words(text: str) -> int:
    """The length of a text in the unit that prompts use: words, and for Chinese characters without punctuation."""
    return len(_LATIN_WORD.findall(text)) + len(_HAN.findall(text))


def asked_length(prompt: str) -> int | None:
    """The length that the prompt asks for, in the unit of `count_words`; None when it names none.

    The upper end of a range counts, and the greatest of several lengths: a smaller one is the length of a part ("an
    abstract of 100 words").
    """
    asked = [*_english_lengths(prompt), *_chinese_lengths(prompt)]
    if not asked:
        asked = [int(pages) * WORDS_PER_PAGE for pages in _ENGLISH_PAGES.findall(prompt)]
    asked = [length for length in asked if length > 0]
    return min(max(asked), LONGEST) if asked else None


def _english_lengths(prompt: str) -> list[int]:
    lengths = []
    for match in _ENGLISH_LENGTH.finditer(prompt):
        length = _number(match[1])
        if _EACH_AFTER_WORDS.match(prompt[match.end() :]) and (parts := _ENGLISH_PARTS.search(prompt[: match.start()])):
            length *= _ENGLISH_NUMBERS.get(parts[1].lower()) or _number(parts[1])
        lengths.append(length)
    return lengths


def _chinese_lengths(prompt: str) -> list[int]:
    lengths = [_number(number) for number in _CHINESE_LABELLED.findall(prompt)]
    for match in _CHINESE_LENGTH.finditer(prompt):
        length = _number(match["number"])
        before = prompt[: match.start("number")]
        if _EACH_BEFORE_NUMBER.search(before) and (parts := _PARTS.search(before)):
            length *= _number(parts[1])
        lengths.append(length)
    return lengths


def _number(digits: str) -> int:
    """Read "3,000", "三千", "一万五千" and "两百五十"."""
    if digits[0].isdecimal():
        return int(digits.replace(",", ""))
    total = section = digit = 0
    for sign in digits:
        if sign == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        elif sign in "十百千":
            section += (digit or 1) * 10 ** ("十百千".index(sign) + 1)
            digit = 0
        else:
            digit = "零一二三四五六七八九".index(sign.replace("两", "二"))
    return total + section + digit
