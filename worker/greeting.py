"""The greetings of answers that go on with a text: what stands before its rest and is no text."""

import re
from collections.abc import Iterator
from itertools import islice

LONGEST = 240
"""Characters of a greeting."""
_MOST_ENDS = 6

_POLITE = r"(?:sure|certainly|of course|ok|okay|absolutely|understood|got it|no problem)"
_POLITE_CHINESE = r"(?:好的|当然|没问题|明白了?|抱歉|对不起)?[，,！!。 ]*"
_NAMES_ITSELF = re.compile(
    rf"(?:{_POLITE}[!,.]* *)?(?:"
    r"(?:here(?:'s|’s| is)|this is) (?:the )?(?:rest|continuation|remainder)"
    r"(?: of (?:the|your|my) (?:text|article|answer|response|essay|document))?"
    r"(?:,? (?:from )?where [a-z ]{1,40})?[:：][ \t]*\n+"
    r"|(?:(?:i(?:'ll|’ll| will)|let me) continue|continuing|picking up|resuming)(?: [a-z]+){0,3}"
    r" where (?:i|it|the text|the article|my answer) (?:had |has |was |were )?(?:left off|stopped|ended|cut off)"
    r"(?:[:：…]|\.{3}|[.!]?[ \t]*\n)(?:[ \t]*\n)*"
    r"|(?:[*_(\[]+continu(?:ed|ation|ing)(?: from (?:above|before))?[:：…]?[*_)\]]+[:：…]?"
    r"|continu(?:ed|ation|ing)(?:[:：…]|\.{3}))[ \t]*\n+"
    r")"
    rf"|{_POLITE_CHINESE}(?:"
    r"(?:以下|下面|这)是?(?:接下来|剩余|剩下|后续|余下|其余)的?(?:内容|部分|正文|文字|文章)[：:][ \t]*\n+"
    r"|继续(?:上文|前文|写作|撰写|输出)[^\n：:。]{0,8}[：:。][ \t]*\n+"
    r"|接上文[：:][ \t]*\n+"
    r"|我(?:将|会|来)?(?:继续|接着)(?:写|输出)(?:完|下去|正文|文章)?[：:。][ \t]*\n+"
    r"|[（(【[](?:续|接上文)[）)】\]][：:]?[ \t]*\n+"
    r")",
    re.IGNORECASE,
)
"""Greetings that say that they go on with a text: they can be nothing else."""

_MAY_GREET = re.compile(
    rf"^[*_(\[]*{_POLITE}[!,.]*(?:[^\n]*[:：])?$|^(?:i(?:'m|’m| am) )?(?:so |very )?sorry (?:about|for)\b"
    r"|^(?:my |i )?apologi|\b(?:left|cut)[ -]off\b|^(?:picking up|resuming)\b"
    r"|\b(?:i(?:'ll|’ll| will)|let me|let's) (?:now )?(?:continu|go on|resum)"
    r"|^[*_(\[]*(?:to be )?continu(?:ed|ation|ing (?:from|where|with the (?:text|article|rest)))\b"
    r"|\b(?:here(?:'s|’s| is| are)|this is) (?:the |your |my )?(?:rest|continuation|remain|next)"
    r"|^(?:好的|当然|没问题|明白了?|抱歉|对不起)[，,！!。 ]*(?:[^\n]*[:：])?$|^(?:很?抱歉|对不起)[，,！!。]"
    r"|(?:继续|接着)(?:写|输出|撰写|生成|完成|上文|前文|刚才|上面)|接上文|[（(【[]续|^(?:以下|下面|这)是"
    r"|\b(?:geht es|ich (?:mache|schreibe|fahre)) (?:weiter|fort)\b|\bfortsetzung\b|^(?:gerne?|natürlich)[!,.]*$"
    r"|\bvoici (?:la suite|le reste)\b|\bje (?:reprends|continue)\b|^bien sûr *[!,.]*$"
    r"|\baquí (?:sigue|está|tienes?|continúa)\b|^(?:por supuesto|claro)[!,.]*$"
    r"|続き(?:です|を|は)|^(?:承知|了解)|계속|이어서|продолж",
    re.IGNORECASE,
)
"""Lines that may be one: they speak of going on with a text, or are polite and nothing else. They are, if what stands
behind them repeats the end of the text. Words such as "the rest" or "continue" alone are the author's.
"""
_END = re.compile(r"\n\s*|(?:[:：…]|\.{3})[ \t*_]*(?:\n\s*)?")
_FIRST_SENTENCE = re.compile(r".+?[.!。！:：…]+(?=\s|$|[^\x00-\x7f])")
_SHORT_LINE = 80
"""Characters of a paragraph that may be a remark although none of its words say so."""
_BEGUN = re.compile(
    rf"(?:{_POLITE}[!,.]* *)?"
    r"(?:(?:here(?:'s|’s| is| are)|this is) (?:the )?(?:rest|continuation|remainder|remaining|next)"
    r"|(?:(?:i(?:'ll|’ll| will)|let me) )?continu(?:e|ing|ation)|picking up|resuming)\b[^\n]{0,120}"
    rf"|{_POLITE_CHINESE}(?:以下是|下面是|接着|继续|我将|我会)[^\n：:]{{0,20}}",
    re.IGNORECASE,
)
_OPENINGS = tuple(
    f"{polite}{opening}"
    for polite in ("", "sure", "certainly", "ofcourse", "ok", "okay", "absolutely", "understood", "gotit", "noproblem")
    for opening in (
        "pickingup",
        "resuming",
        *(f"{will}continu{end}" for will in ("", "i", "ill", "iwill", "letme") for end in ("e", "ing", "ation")),
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
    for opening in ("以下是", "下面是", "接着", "继续", "我将", "我会")
)
"""How greetings begin, in their letters alone: of one that has only begun, the patterns cannot tell."""


def sure_greeting(answer: str) -> int:
    """How long the greeting is that an answer begins with, if it can be nothing else."""
    head = answer[:LONGEST]
    found = _NAMES_ITSELF.match(head, len(head) - len(head.lstrip()))
    return found.end() if found else 0


def greeting_ends(answer: str) -> Iterator[int]:
    """Where what may be a greeting ends, the shortest one first: each of its lines is one by itself."""
    begin, greeted = 0, False
    for found in islice(_END.finditer(answer[:LONGEST]), _MOST_ENDS):
        line = answer[begin : found.end()]
        is_rule = not any(map(str.isalnum, line))
        if may_greet(line) or (is_rule and greeted):
            greeted = True
            yield found.end()
        elif "\n" in found[0] and not is_rule:
            return
        if "\n" in found[0]:
            begin = found.end()


def may_greet(words: str) -> bool:
    """Whether these words before a repetition may be a greeting: they name the continuing, or are polite."""
    line = words.strip()
    begins = line[:1].isalpha() or line[:1] in tuple('#*_([（【“"')
    if not begins or line[:1].islower() or len(words) > LONGEST or "```" in words or "~~~" in words:
        return False
    ends = line[-1] in ":：….!。！" or "\n" in words[len(words.rstrip()) :]
    return ends and _MAY_GREET.search(line) is not None


def is_remark(answer: str, *, inside: bool) -> bool:
    """Whether an answer may begin with words about itself, as far as one can tell. `inside`: its text stops in the
    middle of a sentence, so the rest begins neither with an announcement nor with a sentence.
    """
    line, _, below = answer.partition("\n")
    sentence = _FIRST_SENTENCE.match(line)
    if may_greet(f"{line}\n") or (sentence is not None and may_greet(sentence[0])):
        return True
    if inside and not line[:1].islower() and line.rstrip(" \t*_").endswith((":", "：")):
        return True
    may_begin = line[:1].isupper() if inside else line[:1].isalpha()
    return may_begin and len(line) <= _SHORT_LINE and below.startswith("\n")


def may_begin_to_greet(answer: str) -> bool:
    """Whether an answer was stopped in its greeting, as far as one can tell."""
    line = answer.strip()
    if not line[:1].isalpha() or line[:1].islower():
        return False
    letters = "".join(filter(str.isalpha, line[:LONGEST])).lower()
    return any(opening.startswith(letters) for opening in _OPENINGS) or _BEGUN.fullmatch(line[:LONGEST]) is not None
