"""How a simulated model goes on with a text: the rest of the article that it would have written in one go.

It knows two ways to be asked: by a last message of its own (`role: "assistant"`), and by a message of the user behind
that. In the second case it repeats the words that the message quotes, or is as sloppy as real ones may be: it greets,
opens a code fence again, and repeats some of its last words.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from longhand.simulator.deltas import deltas_of
from longhand.simulator.orders import ChatRequest, Message, Orders, messages_hash
from longhand.simulator.prose import split

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff][\w'’]*|[^\s\w]+")
_ASKS = "cut off"
_QUOTE = re.compile(r'which are "(.*)", and go on from there', re.DOTALL)
"""The last words in the message that asks for the rest."""
_MOST_WORDS = 40
_OBEYS = 0.3
"""How often the sloppy model repeats exactly what it is asked to repeat."""
_LAST, _NEAR = 40, 400
"""A text that is not quite the article's beginning is found in it by so many last characters, so near its length."""
_GREETINGS = (
    "Sure, here is the rest:\n\n",
    "Of course! Continuing from where I left off:\n\n",
    "Here's the continuation of the article:\n",
    "Certainly! Here is the rest of the text:\n\n",
)
_CHINESE = re.compile("[\u3400-\u9fff]")
_CHINESE_GREETING = "好的，以下是接下来的内容：\n\n"
_FENCE = re.compile(r"^```.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Continued:
    """A request that asks for the rest of a text."""

    original: ChatRequest
    text: str
    in_new_message: bool
    is_for_rest: bool
    """Whether it says so: a message behind a whole text asks for something else."""


def rest_of(request: ChatRequest, orders: Orders, *, sloppy: bool) -> Iterable[str] | None:
    """The deltas of the rest that a request asks for; None when it asks for no rest of what was written here."""
    asked = _continued(request)
    if asked is None:
        return None
    known = [msgspec.to_builtins(message) for message in asked.original.messages]
    article = "".join(deltas_of(asked.original, orders, messages_hash(known)))
    place = _place_in(article, asked.text)
    if place is None or (place == len(article) and not asked.is_for_rest):
        return None
    return [*split(_beginning(asked, request.messages[-1].text, sloppy=sloppy)), *split(article[place:])]


def _place_in(article: str, text: str) -> int | None:
    """Where the article goes on after a text that is its beginning; by its last words, if something before is other."""
    if article.startswith(text):
        return len(text)
    found = article.rfind(text[-_LAST:], 0, len(text) + _NEAR)
    return found + _LAST if found >= 0 and len(text) > _LAST else None


def _continued(request: ChatRequest) -> Continued | None:
    """The parts of a request that ends with a text of the model, or with a message behind one."""
    messages = request.messages
    for behind in (0, 1):
        if len(messages) < 2 + behind:
            continue
        last = messages[-1 - behind]
        if (
            last.role == "assistant"
            and last.text
            and all(message.role == "user" for message in messages[len(messages) - behind :])
        ):
            original: list[Message] = list(messages[: len(messages) - 1 - behind])
            for_rest = not behind or _ASKS in messages[-1].text
            return Continued(msgspec.structs.replace(request, messages=original), last.text, bool(behind), for_rest)
    return None


def _beginning(asked: Continued, message: str, *, sloppy: bool) -> str:
    """What the model puts before the rest: what it is asked to repeat. A sloppy one does the same thing each time."""
    quoted, text = _QUOTE.search(message), asked.text
    if not asked.in_new_message:
        return ""
    if not sloppy:
        return quoted[1] if quoted is not None else ""
    chance = random.Random(text)  # not a secret, it must repeat
    is_chinese = _CHINESE.search(text[-200:]) is not None
    greeting = "" if chance.random() < 0.6 else _CHINESE_GREETING if is_chinese else chance.choice(_GREETINGS)
    fence = "```\n" if len(_FENCE.findall(text)) % 2 else ""
    if quoted is not None and chance.random() < _OBEYS:
        return greeting + fence + quoted[1]
    words = list(_WORD.finditer(text[-4000:]))
    count = min(chance.randint(0, _MOST_WORDS), len(words))
    repeated = text[-4000:][words[-count].start() :] if count else ""
    return greeting + fence + repeated
