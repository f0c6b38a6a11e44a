"""Articles that look like a model's: Markdown, English or Chinese, of the length that the prompt asks for.

The same prompt and seed always give the same text, so that a second attempt writes what the first one wrote.
"""

import hashlib
import math
import random
import re
from collections.abc import Iterator

from jobs.acceptance.words import count_words
from longhand.simulator.prose_stock import CHINESE, ENGLISH, Stock

DEFAULT_LENGTH = 300
# A prompt cannot order more than this: a mistyped number must not keep the simulator writing for a day.
LONGEST = 100_000

# Below this length an article has no title and no headings.
_SHORTEST_WITH_TITLE = 80
_SECTION_LENGTH = 220
_CLOSING_LENGTH = 50

_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = r"[^\W\d_\u3400-\u9fff]"
_LATIN_WORD = re.compile(rf"{_LETTER}(?:{_LETTER}|['’-])*")
# Bounded, and begun only where digits begin: a prompt that is one long number must not take quadratic time.
_LENGTH = re.compile(r"(?<![\d,])(\d[\d,]{0,15})[\s-]*(?:words?\b|个?[字词])", re.IGNORECASE)

# Pieces of one to six characters, about the size of a model's tokens. The last two branches take whatever is left, so
# that joining the pieces always gives the text.
_DELTA = re.compile(
    r" ?[A-Za-z'’]{1,6}"
    r"|[的了是在和与不一有也]|[\u3400-\u9fff](?:(?![的了是在和与不一有也])[\u3400-\u9fff])?"
    r"| ?[^\sA-Za-z'’\u3400-\u9fff]{1,3}"
    r"|\s{1,6}"
)

_NO_TOPIC = frozenset(
    """
    about alive also around article back because before beginners between blog both build built burning column
    could decide describe during each essay explain explanation from given hand have into introduce just keep
    keeping kept long losing make more most must news note only opened opinion other over paragraph piece please
    post praise readers report return should small some story such talk talks teaches text than that their them
    then there these they this those through title travel under update used were what when where which while
    with without word words would write writing written years your
    """.split()  # noqa: SIM905  # so many words read better as lines of text
)
# There is no word list for Chinese here: a prompt is cut at punctuation and at words that rarely belong to a topic.
_NO_TOPIC_CHINESE = re.compile(
    r"[^\u3400-\u9fff]+|介绍|主题|文章|短文|标题|[的了是在和与及或为以对关于请写篇一个份字数左右不少按照根据作帮给我你们要求这那将并能以上下]+"
)


def write(prompt: str, seed: str = "") -> Iterator[str]:
    """Yield the article for a prompt, block by block (title, heading, paragraph, list or quotation).

    It is made lazily: a text of 20,000 words takes milliseconds, and a server that made it in one go would keep all its
    other streams waiting.
    """
    digest = hashlib.sha256(f"{seed}\n{prompt}".encode(errors="surrogatepass")).digest()
    return _Article(prompt, random.Random(digest)).blocks()  # not a secret, it must repeat


def split(text: str) -> list[str]:
    """Cut a text into deltas of one to six characters, Chinese of one or two. Joined again they are the text."""
    return _DELTA.findall(text)


def write_deltas(prompt: str, seed: str = "") -> Iterator[str]:
    """Yield the deltas of the prompt's article."""
    for block in write(prompt, seed):
        yield from split(block)


def asked_length(prompt: str) -> int:
    """The length that the prompt asks for, in the unit of `count_words`; of several the greatest: "800 to 1000 words,
    with an abstract of 100 words".
    """
    asked = max((int(number.replace(",", "")) for number in _LENGTH.findall(prompt)), default=0)
    return min(asked, LONGEST) or DEFAULT_LENGTH


def is_chinese(prompt: str) -> bool:
    """Whether the prompt is, and so its text is to be, Chinese."""
    return len(_HAN.findall(prompt)) > len(_LATIN_WORD.findall(prompt))


def topics_of(prompt: str) -> list[str]:
    """The prompt's own words that an article may be about, at least two."""
    if is_chinese(prompt):
        stock, pieces = CHINESE, _NO_TOPIC_CHINESE.split(prompt[:2000])
        found = [piece for piece in pieces if 2 <= len(piece) <= 6]
    else:
        stock, words = ENGLISH, _LATIN_WORD.findall(prompt[:4000])
        found = [word for word in words if len(word) >= 4 and word.lower() not in _NO_TOPIC]
    found = list(dict.fromkeys(found))[:14]
    return found if len(found) >= 2 else [*found, *stock.topics]


class _Article:
    """One article being written: what is left of its length, and the random source that makes every choice."""

    def __init__(self, prompt: str, chance: random.Random) -> None:
        self._stock: Stock = CHINESE if is_chinese(prompt) else ENGLISH
        self._chance = chance
        self._topics = topics_of(prompt)
        self._left = asked_length(prompt)
        self._unused: list[str] = []

    def blocks(self) -> Iterator[str]:
        stock, titled = self._stock, self._left >= _SHORTEST_WITH_TITLE
        closing = _CLOSING_LENGTH if titled else 0
        if titled:
            yield f"# {self._one_of(stock.titles)}\n\n"
        yield self._paragraph(self._one_of(stock.openings), closing)
        next_heading = self._left
        while self._left > closing + 10:
            if titled and self._left <= next_heading:
                next_heading = self._left - _SECTION_LENGTH
                yield f"\n\n## {self._one_of(stock.headings)}"
            yield "\n\n" + self._block(closing)
        if titled:
            yield f"\n\n## {self._take(stock.last_heading)}\n\n"
            yield self._paragraph(self._one_of(stock.closings))

    def _block(self, closing: int) -> str:
        kind = self._chance.random()
        if kind < 0.12 and self._left > closing + 60:
            return "\n".join(f"- {self._take(point)}" for point in self._chance.sample(self._stock.points, 3))
        if kind < 0.2:
            return f"> {self._one_of(self._stock.quotes)}"
        paragraph = self._paragraph(self._sentence(), closing)
        return f"{paragraph} {self._chance.choice(self._stock.emoji)}" if kind > 0.9 else paragraph

    def _paragraph(self, first: str, closing: int = 0) -> str:
        """A few sentences, while there is room before the closing; the closing takes all that is left."""
        sentences = [first]
        most = self._chance.randint(3, 6) if closing else math.inf
        # The article ends where it is nearest to the asked length: half a sentence too long or too short.
        while len(sentences) < most and self._left > closing + self._stock.sentence_length // 2:
            sentences.append(self._sentence())
        return self._stock.between_sentences.join(sentences)

    def _sentence(self) -> str:
        # Every sentence is used once before any comes again.
        if not self._unused:
            self._unused = self._chance.sample(self._stock.sentences, len(self._stock.sentences))
        return self._take(self._unused.pop())

    def _one_of(self, templates: tuple[str, ...]) -> str:
        return self._take(self._chance.choice(templates))

    def _take(self, template: str) -> str:
        """Fill the gaps of a template, and count its words."""
        chance, stock = self._chance, self._stock
        # Every second sentence is about the first of them, or the article would be about nothing.
        topic = chance.choice([self._topics[0], chance.choice(self._topics[1:])])
        other = chance.choice([word for word in self._topics if word != topic])
        text = template.format(
            topic=topic,
            other=other,
            noun=chance.choice(stock.nouns),
            quality=chance.choice(stock.qualities),
            who=chance.choice(stock.people),
            number=chance.randint(3, 48),
        )
        self._left -= count_words(text)
        # A sentence may begin with a gap: "{topic} in practice".
        return text[0].upper() + text[1:]
