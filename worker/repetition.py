"""What an answer repeats of the text that it follows. White space may differ, so places are counted in letters: in
characters that are no white space.
"""

import re
import unicodedata

HELD = 700
"""So many of an answer's first characters are compared with the end of its text. One that goes on repeating it is
followed further.
"""

_CJK = re.compile(r"[\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff65]")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Of scripts that leave no space between words: Thai, Lao, Burmese, Khmer."""
_KANJI_OR_KANA = re.compile(r"[\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]")
_SIGNS = re.compile(r"[\W_]*")
_MARKUP = frozenset("<>{}")
_NEVER_TWICE = frozenset(",;:!?—–")
_KINDS = str.maketrans("“”„«»「」『』‘’‚`–—−‑", '"' * 9 + "'" * 4 + "-" * 4)
_FEWEST_SIGNS = 8
"""Characters of a repetition of digits or signs alone: brackets, rules and cells repeat by themselves."""
_FEWEST_UNSPACED = 8
"""Of letters of which nobody can see where a word begins."""
_FEWEST_IN_MARKUP = 12
"""Of one with a tag or a brace in it: `</div>` may be the next one."""
LONG, _FEWEST_KINDS = 20, 8
"""A repetition of so many characters, so many of them different, is none by chance, wherever in a word it begins."""
FOLLOWED = 40
"""Letters that an answer must share with a place of the text to be followed there."""
_MOST_PLACES = 100
"""Places that an answer is compared with. A text may have the same lines a thousand times."""
_FROM_BEGINNING, _FROM_ELSEWHERE = 40, 600
"""An answer that runs along so many letters of its text and then leaves it has begun the text again, from its beginning
or from elsewhere, where the text stops inside a line. Refrains, tables and files that are shown again begin with a
line.
"""
_AT_LINE = 4
"""So many times as long it must be where one ends."""


def letters_of(text: str) -> str:
    return "".join(text.split())


def same_kind(letters: str) -> str:
    """The letters with one sign for all quotation marks and one for all dashes, in small ones: models copy a text in
    signs of their own. Each stays in its place.
    """
    return "".join(small if len(small := sign.lower()) == 1 else sign for sign in letters.translate(_KINDS))


def has_unspaced(letters: str) -> bool:
    """Whether they have some of a script that leaves no space between words."""
    return (_KANJI_OR_KANA.search(letters) or _UNSPACED.search(letters)) is not None


def is_long(letters: str) -> bool:
    return len(letters) >= LONG and len(set(letters)) >= _FEWEST_KINDS


def is_asked(asked: str, letters: str) -> bool:
    """Whether an answer begins with the words that it was asked to begin with."""
    return len(asked) >= LONG and letters.startswith(asked)


def find_overlap(tail: str, answer: str) -> int:
    """How many characters at the beginning of the answer repeat the end of the text."""
    left = answer[:HELD]
    places = [place for place, character in enumerate(left) if not character.isspace()]
    known = letters_of(tail)
    letters = "".join(left[place] for place in places)
    begins = _word_starts(tail)
    for count in range(min(len(letters), len(known)), 0, -1):
        if not known.endswith(letters[:count]):
            continue
        end = places[count - 1] + 1
        if not (is_long(letters[:count]) or _has_same_words(tail, left[:end])):
            continue
        if _is_repetition(letters[:count], tail, begins=begins[-count], inside_word=_is_inside_word(left, end)):
            return end
    return 0


def _has_same_words(tail: str, repeated: str) -> bool:
    """Whether a short repetition has its spaces where the text has them: "birds tha" and "t had" have them not."""
    return " ".join(tail.split()).endswith(" ".join(repeated.split()))


def count_line_begun_anew(text: str, answer: str) -> int:
    """How many characters of an answer are the line that the text stops in, if it begins with that."""
    head = answer[:HELD]
    line, letters = letters_of(text.rpartition("\n")[2][: 2 * HELD]), letters_of(head)
    begins_line = "\n" in head[: len(head) - len(head.lstrip())]
    if begins_line or text.endswith(">") or not any(map(str.isalpha, line)) or not letters.startswith(line):
        return 0
    end = place_behind(head, len(line))
    return 0 if _is_inside_word(head, end) and text[-1].isspace() else end


def place_behind(text: str, count: int) -> int:
    """The place behind so many letters of it."""
    for place, character in enumerate(text):
        count -= not character.isspace()
        if count <= 0:
            return place + 1
    return len(text)


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
    is_enough = is_long(repeated) or (len(repeated) >= _FEWEST_UNSPACED and _UNSPACED.search(repeated) is not None)
    # Words are repeated whole. A text that stops inside one may be answered with all of it.
    return (begins or is_enough) and not (inside_word and tail[-1:].isspace())


def _is_inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and _is_in_word(text, place) and _is_in_word(text, place - 1)


def _is_in_word(text: str, place: int) -> bool:
    """Also for a sign of a vowel or a tone, which is no letter by itself, and for the mark in "you'll"."""
    character = text[place]
    if character in "'’":
        return text[place - 1 : place].isalnum() and text[place + 1 : place + 2].isalnum()
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _word_starts(text: str) -> list[bool]:
    """For each character that is no white space, whether a word begins with it."""
    return [at == 0 or not _is_inside_word(text, at) for at, character in enumerate(text) if not character.isspace()]


def stops_inside_line(text: str) -> bool:
    """Whether a text stops in the middle of a sentence, as far as its last character can tell."""
    last = text.rstrip(" ")[-2:]
    # A comma behind a bracket or a quotation mark may end a row.
    return last[-1:].isalnum() or (last[-1:] in tuple(",，、") and last[:1].isalnum())


def _needed(text: str, answer: str, begin: int) -> int:
    """How many times as long as inside of a line it must be, where this answer begins."""
    signs = _SIGNS.match(answer)
    begins_line = (signs is not None and "\n" in signs.group()) or answer[:begin].endswith("\n\n\n")
    return 1 if stops_inside_line(text) and not begins_line else _AT_LINE


def is_no_ending(text: str, known: str, answer: str, begin: int) -> bool:
    """Whether an answer that has ended is none of its text's, because all of it stands there already. A text may end
    with a refrain: that has few lines, and they are whole ones. `known`: the letters of the text.
    """
    ending = answer[begin:].rstrip()
    if stops_inside_line(text) and text[-_FEWEST_SIGNS:] + ending in text:
        return False  # it ends this line as another one ended
    letters, lines = letters_of(ending), ending.strip("\n")
    needed = _needed(text, answer, begin) if f"\n{lines}\n" in f"\n{text}\n" else 1
    return len(letters) >= needed * _FROM_BEGINNING and letters in known and not known.endswith(letters)


def has_begun_again(text: str, answer: str, begin: int, followed: int = 0, *, begins_line: bool = False) -> bool:
    """Whether an answer is another version of the text, and no rest of it: it runs along the text from its beginning,
    or from its second line, or along so many letters from elsewhere. `begin`: where it may begin behind a greeting.
    `begins_line`: it begins with the line that the text stops in, which may begin as the first one does.
    """
    needed = _needed(text, answer, begin)
    if followed >= needed * _FROM_ELSEWHERE:
        return True
    letters, (title, _, under_title) = letters_of(answer[begin:]), text.lstrip().partition("\n")
    beginnings = (letters_of(part[: 2 * len(answer)]) for part in (text, under_title if title else ""))
    same = letters[: max(_count_same(part, letters) for part in beginnings)]
    return len(same) >= (_AT_LINE if begins_line else needed) * _FROM_BEGINNING and is_long(same)


def _count_same(first: str, second: str) -> int:
    """How many characters two strings begin with alike."""
    same, most = 0, min(len(first), len(second))
    while same < most:
        half = (same + most + 1) // 2
        if first[same:half] == second[same:half]:
            same = half
        else:
            most = half - 1
    return same


class Run:
    """Follows an answer along its text, from the first place there that it may be repeating, until it leaves it.
    `known`: the letters of the text.
    """

    def __init__(self, known: str) -> None:
        self._known = known
        self._begin = 0
        self._tried = 0
        self.length = 0
        """Letters of the answer that stand in the text, at the place where it runs or has left it."""
        self.reaches_end = False
        """Whether the text ends there: what follows is new."""

    def follow(self, letters: str) -> bool:
        """Take the next letters of the answer. False: no place of the text has them all, or the text ends there."""
        if not self._stand_at(self._begin, self.length, letters):
            said = self._known[self._begin : self._begin + self.length] + letters
            begin = self._find(said)
            if begin < 0:
                self.length = _count_same(self._known[self._begin : self._begin + len(said)], said)
                return False
            self._begin, self.length, letters = begin, 0, said
        room = len(self._known) - self._begin
        self.length = min(self.length + len(letters), room)
        self.reaches_end = self.length == room
        return not self.reaches_end

    def _find(self, said: str) -> int:
        """The next place with what was said, as far as the text goes there; -1: there is none."""
        begin = self._begin
        while self._tried < _MOST_PLACES and (begin := self._known.find(said[:FOLLOWED], begin + 1)) >= 0:
            self._tried += 1
            if self._stand_at(begin, 0, said):
                return begin
        return -1

    def _stand_at(self, begin: int, behind: int, letters: str) -> bool:
        place = begin + behind
        return self._known.startswith(letters[: len(self._known) - place], place)
