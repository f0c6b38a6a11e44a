"""The seam between a text and its rest, where the rest came as the answer to a new message.

Such an answer may greet the reader, open a code fence again that is open already, and repeat the last words; it is even
asked to repeat them, because that shows where it goes on. The first characters are held back until it is known what of
them is new.
"""

import re
from collections.abc import Callable

from worker.continuation import last_words

HELD = 700
"""Characters that are held back. The longest repetition that is found is a little shorter."""

_FENCE = re.compile(r"^ {0,3}(?:```+|~~~+)([^\n`]*)", re.MULTILINE)
_OPENED = re.compile(r"\s*(?:```+|~~~+)[^\n`]*\n")
_GREETING = re.compile(
    r"\s*(?:(?:sure|certainly|of course|ok|okay|absolutely|understood|got it|no problem)[!,.]* *)?"
    r"(?:(?:here(?:'s|’s| is| are)|this is) (?:the )?(?:rest|continuation|remainder|remaining|next)"
    r"|(?:i(?:'ll|’ll| will) )?continu(?:e|ing|ation)\b|picking up)"
    r"[^\n]{0,120}?(?:[:：]|\.{3}|…)[ \t]*\n{0,2}"
    r"|\s*(?:sure|certainly|of course|okay|absolutely|understood|got it|no problem)[!.]?[ \t]*\n{1,2}"
    r"|\s*(?:好的|当然|没问题|明白)?[，,！!。 ]*(?:以下是|下面是|这是|接着|继续|我将|我会)[^\n：:]{0,40}[：:]"
    r"[ \t]*\n{0,2}",
    re.IGNORECASE,
)
_OPENINGS = tuple(
    f"{polite}{opening}"
    for polite in ("", "sure", "certainly", "ofcourse", "ok", "okay", "absolutely", "understood", "gotit", "noproblem")
    for opening in (
        "pickingup",
        *(f"{will}continu{end}" for will in ("", "i", "ill", "iwill") for end in ("e", "ing", "ation")),
        *(
            f"{here}{the}{rest}"
            for here in ("heres", "hereis", "hereare", "thisis")
            for the in ("", "the")
            for rest in ("rest", "continuation", "remainder", "remaining", "next")
        ),
    )
) + tuple(
    f"{polite}{opening}"
    for polite in ("", "好的", "当然", "没问题", "明白")
    for opening in ("以下是", "下面是", "这是", "接着", "继续", "我将", "我会")
)
"""How greetings begin, in their letters alone: of one that has only begun, the pattern cannot tell."""
_CJK = re.compile(r"[\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff65]")
_MARKUP = frozenset("<>{}")
_NEVER_TWICE = frozenset(",;:!?—–")
_FEWEST_SIGNS = 8
"""Characters of a repetition of digits or signs alone: brackets, rules and cells repeat by themselves."""
_FEWEST_IN_MARKUP = 12
"""Of one with a tag or a brace in it: `</div>` may be the next one."""
_LONG, _FEWEST_KINDS = 20, 8
"""A repetition of so many characters, so many of them different, is none by chance, wherever in a word it begins."""


class Seam:
    """Passes on what is new of the rest of a text. `before` is the text that it follows."""

    def __init__(self, before: str, on_text: Callable[[str], None]) -> None:
        self._before = before
        self._on_text = on_text
        self._held: list[str] = []
        self._length = 0
        self._is_open = False
        self.cut = ""
        """What was left out, once that is decided."""
        self.skipped = 0
        """How many characters later a place stands in the answer than in what is new of it."""

    @property
    def has_begun(self) -> bool:
        """Whether anything came."""
        return self._is_open or self._length > 0

    @property
    def left_out(self) -> str:
        """What came and is not in the text: it was cut, or is still held back."""
        return self.cut or "".join(self._held)

    def feed(self, piece: str) -> None:
        """Take the next piece of the answer."""
        if self._is_open:
            self._on_text(piece)
            return
        self._held.append(piece)
        self._length += len(piece)
        if self._length >= HELD:
            self.close()

    def close(self, *, is_early: bool = False) -> None:
        """Decide now: enough has come, or nothing more does. `is_early`: the answer was stopped or broke off."""
        if self._is_open:
            return
        self._is_open = True
        held = "".join(self._held)
        self._held.clear()
        new = "" if is_early and _has_only_begun(self._before, held) else cut_seam(self._before, held)
        self.skipped = len(held) - len(new)
        has_space_before = not held.endswith(new)
        self.cut = held[: self.skipped + has_space_before]
        if new:
            self._on_text(new)


def cut_seam(before: str, answer: str) -> str:
    """What of the beginning of an answer is new after this text."""
    rest = _without_beginning(before, answer)
    overlap = find_overlap(before, rest)
    if overlap:
        return _without_double_space(before, rest[overlap:])
    if rest != answer:  # what stood before it was no text, so its first line begins here
        rest = _without_double_space(before, rest)
    return _with_missing_space(before, rest)


def _without_beginning(before: str, answer: str) -> str:
    """The answer without its greeting, and without the fence that it opens again."""
    rest = answer
    # In what is held back only: a piece may be 64 kB of spaces, over which this pattern works for 25 s.
    greeting = _GREETING.match(rest[:HELD])
    if greeting is not None and _is_none_of_the_text(before, greeting.group()):
        rest = rest[greeting.end() :]
    language = _open_fence(before)
    if language is not None and (opened := _OPENED.match(rest[:HELD])) and _opens_again(language, rest[:HELD]):
        is_in_its_line = _FENCE.fullmatch(before.rpartition("\n")[2]) is not None
        rest = rest[opened.end() - is_in_its_line :]
    return rest


def _has_only_begun(before: str, answer: str) -> bool:
    """Whether an answer was stopped in its greeting or in its repetition, as far as one can tell."""
    first = answer.lstrip()[:1]
    if first.isalpha() and not first.islower():  # as a greeting begins
        letters = "".join(filter(str.isalpha, answer)).lower()
        greeting = _GREETING.match(f"{answer}:")
        if any(opening.startswith(letters) for opening in _OPENINGS):
            return True
        if greeting is not None and greeting.end() > len(answer):
            return True
    repeated = "".join(_without_beginning(before, answer).split())
    return repeated in "".join(before[-2 * HELD :].split())


def find_overlap(before: str, answer: str) -> int:
    """How many characters at the beginning of the answer repeat the end of the text. White space may differ."""
    left = answer[:HELD]
    said = [place for place, character in enumerate(left) if not character.isspace()]
    tail = before[-2 * HELD :]
    known = "".join(tail.split())
    letters = "".join(left[place] for place in said)
    asked = "".join(last_words(tail).split())
    # The answer was asked to begin so. Lines that stand many times in a row repeat more than that by themselves.
    if len(asked) >= _LONG and letters.startswith(asked):
        return said[len(asked) - 1] + 1
    begins = _word_starts(tail)
    for count in range(min(len(letters), len(known)), 0, -1):
        if not known.endswith(letters[:count]):
            continue
        end = said[count - 1] + 1
        if _is_repetition(letters[:count], tail, begins=begins[-count], inside_word=_is_inside_word(left, end)):
            return end
    return 0


def _is_repetition(repeated: str, tail: str, *, begins: bool, inside_word: bool) -> bool:
    """Whether these equal characters are a repetition, and not by chance the same. `begins`: they begin where a word
    of the text does; `inside_word`: the answer goes on with the word that they end with.
    """
    if _CJK.search(repeated) is not None:
        return True
    if not any(character.isalpha() for character in repeated):
        return repeated in _NEVER_TWICE or len(repeated) >= _FEWEST_SIGNS
    if len(repeated) < _FEWEST_IN_MARKUP and not _MARKUP.isdisjoint(repeated):
        return False
    is_long = len(repeated) >= _LONG and len(set(repeated)) >= _FEWEST_KINDS
    # Words are repeated whole. A text that stops inside one may be answered with all of it.
    return (begins or is_long) and not (inside_word and tail[-1:].isspace())


def _is_inside_word(text: str, place: int) -> bool:
    return place < len(text) and text[place].isalnum() and text[place - 1].isalnum()


def _word_starts(text: str) -> list[bool]:
    """For each character that is no white space, whether a word begins with it."""
    return [at == 0 or not _is_inside_word(text, at) for at, character in enumerate(text) if not character.isspace()]


def _is_none_of_the_text(before: str, greeting: str) -> bool:
    """Whether these words cannot be the rest of the sentence: they repeat none of it."""
    return greeting.strip() not in before


def _open_fence(text: str) -> str | None:
    """What the fence names that is open at the end of a text, which may be nothing; None: none is open."""
    fences = _FENCE.findall(text)
    return fences[-1].strip() if len(fences) % 2 else None


def _opens_again(language: str, answer: str) -> bool:
    """Whether the fence that an answer begins with opens this one again, and does not close it. One that closes names
    no language, and is not closed by another.
    """
    again = [named.strip() for named in _FENCE.findall(answer.lstrip())]
    return bool(again[0]) or (not language and len(again) % 2 == 0)


def _without_double_space(before: str, rest: str) -> str:
    """The rest without the white space that the text ends with already."""
    space = before[len(before.rstrip()) :]
    if not space:
        return rest
    return rest[len(space) :] if rest.startswith(space) else rest.lstrip(" \t") if rest[:1] in " \t" else rest


def _with_missing_space(before: str, rest: str) -> str:
    """The rest with the space that an answer, which begins a line, cannot begin with."""
    ended = before[-1:] in tuple(".,;:!?") and len(before) > 1 and before[-2].isalpha()
    return f" {rest}" if ended and rest[:1].isupper() and rest[:1].isascii() else rest
