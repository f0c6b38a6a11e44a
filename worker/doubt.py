"""Whether a seam is in doubt: whether its text may have words twice, lack some, or keep a remark of the model.

An answer that repeats the words which it was asked to repeat shows where it goes on. Without them nobody can be sure,
so such a text says that somebody should look at it. To be wrong costs this: a mark on a good text is looked at once; a
doubled sentence without a mark is published.
"""

import re
from itertools import takewhile

from worker.greeting import LONGEST, is_remark
from worker.repetition import HELD, has_unspaced, is_long, letters_of, same_kind, stops_inside_line
from worker.rest import Earlier, find_asked

_SHORT, _SHORT_UNSPACED = 8, 4
"""Letters of a repetition that is hardly there by chance: "the river", four Chinese characters."""
_LIKE, _LIKE_UNSPACED = 16, 8
"""So many letters that stand near both sides of a seam are like a repetition."""
_NEAR = 160
"""Letters of an answer in which a repetition is looked for that was not cut."""
_DOTS = ("...", "…")
_WRAPPER = re.compile(r"(?:```|~~~)(?:markdown|md|text)?[ \t]*\n")
_FENCE = ("```", "~~~")
_STOPS = frozenset(".!?,;:。！？，；：")
_OPENERS = frozenset("([{“„«‘-–—/")
_CLOSERS = frozenset(",.;:!?)]}%”’»…")
_BEGIN_BLOCKS = frozenset("#|>")


def is_doubtful(earlier: Earlier, held: str, new: str) -> bool:
    """`held`: the answer, as far as it came before that was decided; `new`: what of it is joined to the text, which may
    have got a space before it.
    """
    head = held[:HELD]
    if not new.strip() or find_asked(earlier, head) is not None:
        return False
    repeated = _count_repeated(earlier, held[: max(0, len(held) - len(new))])
    if repeated:
        return _is_by_chance(earlier, repeated)
    return _may_lack_space(earlier.text, new) or _may_be_no_text(earlier, new[:HELD])


def _count_repeated(earlier: Earlier, cut: str) -> int:
    """How many letters of what was cut stand at the end of the text, as far as that matters."""
    letters = letters_of(cut[-2 * HELD :]).rstrip("\"'“”‘’«»„「」『』*_`")
    pairs = zip(reversed(letters), reversed(earlier.known[-HELD:]), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_by_chance(earlier: Earlier, count: int) -> bool:
    """Whether the text may really have what was cut twice in a row."""
    repeated = earlier.known[-count:]
    fewest = _SHORT_UNSPACED if has_unspaced(repeated) else _SHORT
    if count < fewest or len(set(repeated)) < fewest // 2:
        return True
    # A refrain and a row of a table come again by themselves, where a line may begin.
    is_once = earlier.known.find(repeated) == len(earlier.known) - count
    return not is_once and not (is_long(repeated) and stops_inside_line(earlier.text))


def _may_lack_space(text: str, new: str) -> bool:
    """Whether a space or the end of a line may be missing: no answer begins with one, and the text may stop inside a
    word or behind it.
    """
    last, first = text[-1:], new[:1]
    if last.isspace() or first.isspace() or last in _OPENERS or first in _CLOSERS:
        return False
    return first in _BEGIN_BLOCKS or new.startswith(_FENCE) or not has_unspaced(last + first)


def _may_be_no_text(earlier: Earlier, head: str) -> bool:
    """Whether the answer may begin with a remark, a wrapper, or with words of the text in other signs."""
    begin = head.lstrip()
    inside = stops_inside_line(earlier.text)
    if is_remark(begin[:LONGEST], inside=inside) or begin.startswith(_DOTS) or _doubles_stop(earlier.text, begin):
        return True
    if (inside and begin.startswith(_FENCE)) or (not earlier.fences.marks and _WRAPPER.match(begin)):
        return True
    asked, letters = same_kind(earlier.known[-_NEAR // 2 :]), same_kind(letters_of(head)[:_NEAR])
    title = same_kind(letters_of(earlier.text[:HELD].lstrip().partition("\n")[0]))[:_LIKE]
    is_title = len(title) >= _SHORT and letters.startswith(title) and len(earlier.known) > _NEAR
    return is_title or _repeats_end(asked, letters) or _share(asked, letters)


def _doubles_stop(text: str, begin: str) -> bool:
    """Whether the mark that ends the text stands at the beginning of the answer again."""
    last = text.rstrip()[-1:]
    return last in _STOPS and begin.startswith(last)


def _repeats_end(asked: str, letters: str) -> bool:
    """Whether an answer begins with the end of the text, from inside a word: such a repetition was not cut."""
    fewest = _SHORT_UNSPACED if has_unspaced(letters[:1]) else _SHORT
    return any(asked.endswith(letters[:count]) for count in range(fewest, len(letters) + 1))


def _share(first: str, second: str) -> bool:
    """Whether two strings of letters have so many in a row in common. A Latin word in a Chinese text is a Latin one."""
    for at in range(len(first)):
        few, many = first[at : at + _LIKE_UNSPACED], first[at : at + _LIKE]
        if few not in second:
            continue
        if (len(many) == _LIKE and many in second) or (len(few) == _LIKE_UNSPACED and all(map(has_unspaced, few))):
            return True
    return False
