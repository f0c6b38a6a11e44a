"""Finds where the rest of a text begins in an answer that was asked for it in a new message.

Such an answer may greet the reader, open a code fence again that is open already, and repeat the last words; it is even
asked to repeat them, because that shows where it goes on. Where in doubt, words are kept: they may be the author's.
"""

import re
from dataclasses import dataclass

from jobs.acceptance.fences import FencesRead, read_fences
from worker.continuation import last_words
from worker.greeting import LONGEST, greeting_ends, may_begin_to_greet, may_greet, sure_greeting
from worker.repetition import (
    HELD,
    count_line_begun_anew,
    find_overlap,
    has_begun_again,
    is_asked,
    is_long,
    is_no_ending,
    letters_of,
    same_kind,
)

_OPENED = re.compile(r"\s*(`{3,}|~{3,})([^\n`]*)\n")
_OPENING_LINE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[^\n`]*")
_FENCE_LINE = re.compile(r"\s*(?:`{3,}|~{3,})\w*[ \t]*\n")
_FIRST_PARAGRAPH = re.compile(rf"[^\n]{{1,{LONGEST}}}\n[ \t]*\n\s*")
_NEW_FENCE = re.compile(r"(?:`{3,}|~{3,})\w*[ \t]*\n$")
_SIGNS = re.compile(r"(?:[\s\"'“”‘’«»„「」『』…]|\.{2,}|\*{2,}|-{3,})+")
"""What an answer may put before what it repeats: quotation marks, an ellipsis, a rule."""
_CLOSERS = {"“": "”", "‘": "’", "「": "」", "『": "』", "«": "»", "„": "“"} | {sign: sign for sign in "\"'*_`"}
_FEWEST = 8
"""Letters of a repetition that shows that the words before it are a greeting."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The text that an answer follows. Made in the job's own thread: it may have megabytes."""

    text: str
    known: str
    """Its letters."""
    asked: str
    """The letters that the answer was asked to begin with."""
    is_asked_once: bool
    """Whether they stand in the text at its end alone."""
    fences: FencesRead

    @classmethod
    def of(cls, text: str) -> "Earlier":
        known, asked = letters_of(text), letters_of(last_words(text))
        return cls(text, known, asked, _stands_once(known, asked), read_fences(text.splitlines()))

    @property
    def tail(self) -> str:
        return self.text[-2 * HELD :]


def _stands_once(known: str, letters: str) -> bool:
    """Whether a text has these letters at its end alone."""
    return known.find(letters) == len(known) - len(letters)


def find_new(earlier: Earlier, answer: str, followed: int = 0) -> str | None:
    """What of an answer is new after this text; None: it begins the text again. `followed`: so many of its letters
    stand at some place of the text.
    """
    text, head = earlier.text, answer[:HELD]
    asked = find_asked(earlier, head)
    if asked is not None:
        return without_double_space(text, answer[asked:])
    begin = _without_beginning(earlier, head)
    line = count_line_begun_anew(text, head[begin:])
    end = begin + max(line, find_overlap(earlier.tail, head[begin:]))
    repeated = letters_of(head[begin:end])
    if not is_long(repeated):
        behind = _find_behind_greeting(earlier, head)
        # "Chapter 1" at the end of a text is how its first line may begin, too.
        is_chance = not behind and (len(repeated) < _FEWEST or line > 0)
        places = beginnings(earlier, head) if is_chance else ()
        if any(has_begun_again(text, answer, at, followed, begins_line=line > 0) for at in places):
            return None
        end = behind or end
    if end > begin:
        return without_double_space(text, answer[end:])
    # What stood before it was no text, so its first line begins here.
    return _with_missing_space(text, without_double_space(text, answer[begin:]) if begin else answer)


def find_asked(earlier: Earlier, head: str) -> int | None:
    """Where the words end that the answer was asked to begin with, if nothing stands before them that may be text."""
    places = [place for place, character in enumerate(head) if not character.isspace()]
    letters = "".join(head[place] for place in places)
    found = _find_words(earlier, head, places, letters, earlier.asked)
    if found is None:
        found = _find_words(earlier, head, places, same_kind(letters), same_kind(earlier.asked))
    return found


def _find_words(earlier: Earlier, head: str, places: list[int], letters: str, asked: str) -> int | None:
    """`places`: where in the head these letters stand."""
    for begin in dict.fromkeys((0, sure_greeting(head), _without_beginning(earlier, head))):
        first = len(letters_of(head[:begin]))
        if is_asked(asked, letters[first:]):
            return places[first + len(asked) - 1] + 1
        if is_asked(f'"{asked}"', letters[first:]):  # with the marks around them in the message
            return places[first + len(asked) + 1] + 1
    # A refrain may stand behind new words: only what stands once in the text shows where the answer goes on.
    first = letters.find(asked) if earlier.is_asked_once and is_long(asked) else -1
    if first < 0 or not is_no_text(earlier, head[: places[first]]):
        return None
    end, lead = places[first + len(asked) - 1] + 1, head[: places[first]]
    # What the text has before these words, too, is no mark around them: a closing one is the text's own.
    is_own = earlier.known[: -len(asked)].endswith(letters_of(lead))
    return end if is_own else end + _count_closers(earlier.text, lead, head[end:])


def beginnings(earlier: Earlier, head: str) -> tuple[int, ...]:
    """Where an answer may begin behind what it greets with, behind signs or a fence that it is wrapped in, or behind a
    first paragraph that is short.
    """
    return tuple(dict.fromkeys((*_greeted(earlier, head), *_wrapped(head), *_behind_paragraph(head))))


def _behind_paragraph(head: str) -> list[int]:
    found = _FIRST_PARAGRAPH.match(head)
    return [found.end()] if found is not None else []


def _greeted(earlier: Earlier, head: str) -> tuple[int, ...]:
    return 0, _without_beginning(earlier, head), *greeting_ends(head)


def _wrapped(head: str) -> list[int]:
    return [found.end() for found in (_SIGNS.match(head), _FENCE_LINE.match(head)) if found is not None]


def has_only_begun(earlier: Earlier, answer: str) -> bool:
    """Whether an answer was stopped in its greeting or in its repetition, as far as one can tell."""
    if find_asked(earlier, answer[:HELD]) is not None:
        return False
    tail = letters_of(earlier.tail)
    if may_begin_to_greet(answer) or any(letters_of(answer[at:]) in tail for at in _greeted(earlier, answer)):
        return True
    repeated = (letters_of(answer[at:]) for at in beginnings(earlier, answer))
    return any(is_long(letters) and letters in earlier.known for letters in repeated)


def brings_nothing(earlier: Earlier, answer: str) -> bool:
    """Whether an answer has ended, and is a greeting alone, or stands in the text before its end."""
    head = answer[:HELD]
    if find_asked(earlier, head) is not None:
        return False
    if answer.strip() and sure_greeting(f"{answer.rstrip()}\n") > len(answer.rstrip()):
        return True
    places = beginnings(earlier, head)
    return any(_is_asked_in_part(earlier, answer[at:]) for at in places) or any(
        is_no_ending(earlier.text, earlier.known, answer, at) for at in places
    )


def _is_asked_in_part(earlier: Earlier, ending: str) -> bool:
    """Whether it stopped inside of the words that it was asked to begin with: these come to nothing new."""
    letters = letters_of(ending).rstrip(".…")
    return _FEWEST <= len(letters) < len(earlier.asked) and earlier.asked.startswith(letters)


def _find_behind_greeting(earlier: Earlier, head: str) -> int:
    """Where a repetition ends that shows that what stands before it is no text; 0: there is none."""
    greetings = tuple(greeting_ends(head))
    for begin in (*greetings, *_wrapped(head)):
        end: int = begin + find_overlap(earlier.tail, head[begin:])
        letters = letters_of(head[begin:end])
        is_enough = is_long(letters) or (begin in greetings and len(letters) >= _FEWEST)
        if is_enough and _stands_once(earlier.known, letters):
            return end + _count_closers(earlier.text, head[:begin], head[end:])
    return 0


def is_no_text(earlier: Earlier, lead: str) -> bool:
    """Whether this before the words that were asked for is none: signs, a greeting, a fence, a heading again."""
    if len(lead) > LONGEST:
        return False
    line = _NEW_FENCE.sub("", lead).rstrip("\"'“‘„「『«*_`")
    if not line.strip() or _SIGNS.fullmatch(line) or may_greet(line):
        return True
    lines = [each.strip() for each in line.splitlines() if each.strip()]
    return all(each.startswith("#") and each in earlier.text for each in lines)


def _count_closers(text: str, lead: str, rest: str) -> int:
    """How many characters of the rest close quotation marks and the like that stand before the repetition."""
    spaces = len(rest) - len(rest.lstrip()) if text[-1:].isspace() else 0
    count = spaces
    for sign in reversed(lead.rstrip()):
        if sign not in _CLOSERS or rest[count : count + 1] != _CLOSERS[sign]:
            break
        count += 1
    return count if count > spaces else 0


def _without_beginning(earlier: Earlier, head: str) -> int:
    """Where the answer begins behind its greeting, and behind the fence that it opens again."""
    begin = sure_greeting(head)
    marks, info = earlier.fences.marks, earlier.fences.info
    if head[:begin].strip() in earlier.text:  # it may be the rest of the sentence
        begin = 0
    opened = _OPENED.match(head, begin)
    if not marks or opened is None or opened[1] != marks:
        return begin
    named, is_in_its_line = opened[2].strip(), _OPENING_LINE.fullmatch(earlier.text.rpartition("\n")[2])
    if is_in_its_line and named.startswith(info):  # the text may stop inside the name, too
        return opened.start(2) + opened[2].index(named) + len(info)
    if named != info:  # one without a name closes it
        return begin
    # If neither has a name, it opens again if another one closes it.
    is_open = not named and read_fences([marks, *head[opened.end() :].splitlines()]).is_open
    return begin if is_open else opened.end()


def without_double_space(before: str, rest: str) -> str:
    """The rest without the white space that the text ends with already."""
    space = before[len(before.rstrip()) :]
    if not space:
        return rest
    if rest.startswith(space):
        return rest[len(space) :]
    is_indented = space.endswith("\n") and rest.startswith(("  ", "\t"))
    return rest if is_indented else rest.lstrip(" \t")


def _with_missing_space(before: str, rest: str) -> str:
    """The rest with the space that an answer, which begins a line, cannot begin with."""
    ended = before[-1:] in tuple(".,;:!?") and len(before) > 1 and before[-2].isalpha()
    return f" {rest}" if ended and rest[:1].isupper() and rest[:1].isascii() else rest
