"""Articles that look like a model's: Markdown, English or Chinese, of the length that the prompt asks for.

The same prompt and seed always give the same text, so that a second attempt writes what the first one wrote.
"""

import hashlib
import random
import re
from collections.abc import Iterator

from longhand.simulator.prose_length import DEFAULT_LENGTH, asked_length, count_words, wants_chinese
from longhand.simulator.prose_stock import CHINESE, ENGLISH, Stock

# Below this length an article has no title and no headings.
_SHORTEST_WITH_TITLE = 80
_SECTION_LENGTH = 260

# Pieces of one to six characters, about the size of a model's tokens. The last two branches take whatever is left, so
# that joining the pieces always gives the text.
_DELTA = re.compile(
    r" ?[A-Za-z'’]{1,6}"
    r"|[的了是在和与不一有也]|[\u3400-\u9fff](?:(?![的了是在和与不一有也])[\u3400-\u9fff])?"
    r"| ?[^\sA-Za-z'’\u3400-\u9fff]{1,3}"
    r"|\s{1,6}"
)

_LETTER = r"[^\W\d_\u3400-\u9fff]"
_TOPIC_ENGLISH = re.compile(rf"{_LETTER}(?:{_LETTER}|['’-]){{3,}}")
_NO_TOPIC = frozenset(
    """
    about above according after again also another approximately around article based because before
    being between both cannot could description detail detailed discuss does each essay every explain
    following from general give great have help hello here include including introduce into just least
    length less like long main make minimum more most must need only other over page paper paragraph
    please post provide report requirements response scene short should some speech story such than
    thank that their them then there these they this those through title topic under until using very
    want well were what when where which while whole whose will with within without word words would
    write writing written your
    """.split()  # noqa: SIM905  # a hundred words read better as lines of text
)
# There is no word list for Chinese here: a prompt is cut at punctuation and at words that rarely belong to a topic.
_CUT_CHINESE = re.compile(
    r"[^\u3400-\u9fff]+|介绍|主题|文章|短文|标题|[的了是在和与及或为以对关于请写篇一个份字数左右不少按照根据作帮给我你们要求这那将并能以上下]+"
)


def write(prompt: str, seed: str = "") -> Iterator[str]:
    """Yield the article for a prompt, block by block (title, heading, paragraph or list).

    It is made lazily: a text of 20,000 words takes milliseconds, and a server that made it in one go would keep all its
    other streams waiting.
    """
    length = asked_length(prompt) or DEFAULT_LENGTH
    stock = CHINESE if wants_chinese(prompt) else ENGLISH
    digest = hashlib.sha256(f"{seed}\n{prompt}".encode(errors="surrogatepass")).digest()
    return _Article(prompt, length, stock, random.Random(digest)).blocks()  # not a secret, it must repeat


def split(text: str) -> list[str]:
    """Cut a text into deltas of one to six characters, Chinese of one or two. Joined again they are the text."""
    return _DELTA.findall(text)


def write_deltas(prompt: str, seed: str = "") -> Iterator[str]:
    """Yield the deltas of the prompt's article."""
    for block in write(prompt, seed):
        yield from _DELTA.findall(block)


def topics_of(prompt: str, stock: Stock) -> list[str]:
    """The prompt's own words that an article may be about, at least two."""
    if stock is CHINESE:
        pieces = _CUT_CHINESE.split(prompt[:2000])
        found = [piece for piece in pieces if 2 <= len(piece) <= 6] or [piece[:4] for piece in pieces if len(piece) > 6]
    else:
        found = [word for word in _TOPIC_ENGLISH.findall(prompt[:4000]) if word.lower() not in _NO_TOPIC]
    found = list(dict.fromkeys(found))[:14]
    return found if len(found) >= 2 else [*found, *stock.topics[: 4 - 3 * len(found)]]


class _Article:
    """One article being written: what is left of its length, and the random source that makes every choice."""

    def __init__(self, prompt: str, length: int, stock: Stock, chance: random.Random) -> None:
        self.length = self.left = length
        self.stock = stock
        self.chance = chance
        self.topics = topics_of(prompt, stock)
        self.unused: list[str] = []

    def blocks(self) -> Iterator[str]:
        titled = self.length >= _SHORTEST_WITH_TITLE
        if titled:
            yield f"# {self._heading(self.stock.titles)}\n\n"
        yield self._paragraph(self._fill(self.stock.openings))
        conclusion = self.length // 12 if self.length >= DEFAULT_LENGTH else 0
        while self.left > conclusion + 10:
            section_ends = max(self.left - _SECTION_LENGTH, conclusion)
            if titled and self.left - section_ends > 60:
                yield f"\n\n## {self._heading(self.stock.headings)}"
            while self.left > section_ends + 10:
                yield "\n\n" + self._block(self.left - section_ends)
        if conclusion:
            yield f"\n\n## {self.stock.last_heading}"
            self.left -= count_words(self.stock.last_heading)
            yield "\n\n" + self._paragraph(self._fill(self.stock.closings), whole=True)

    def _block(self, room: int) -> str:
        kind = self.chance.random()
        if kind < 0.12 and room > 80:
            points = self.chance.sample(self.stock.points, self.chance.randint(2, 4))
            return self._spend("\n".join(f"- {self._fill(point)}" for point in points))
        if kind < 0.17 and room > 60:
            return self._spend(f"> {self._fill(self.stock.quotes)}")
        paragraph = self._paragraph(self._sentence(), room=room)
        return f"{paragraph} {self.chance.choice(self.stock.emoji)}" if self.chance.random() < 0.12 else paragraph

    def _paragraph(self, first: str, room: int | None = None, *, whole: bool = False) -> str:
        """Sentences until the paragraph is long enough, or as near to the end of the room as whole sentences come."""
        room = self.left if room is None else room
        sentences = [self._spend(first)]
        room -= count_words(first)
        for _ in range(1000 if whole else self.chance.randint(2, 5)):
            sentence = self._sentence()
            words = count_words(sentence)
            if words > room * 2:
                break
            room -= words
            sentences.append(self._spend(sentence))
        return self.stock.between_sentences.join(sentences)

    def _sentence(self) -> str:
        # Every sentence is used once before any comes again.
        if not self.unused:
            self.unused = self.chance.sample(self.stock.sentences, len(self.stock.sentences))
        return self._fill(self.unused.pop())

    def _heading(self, templates: tuple[str, ...]) -> str:
        return self._spend(self._fill(templates))

    def _spend(self, text: str) -> str:
        self.left -= count_words(text)
        return text

    def _fill(self, template: str | tuple[str, ...]) -> str:
        chance = self.chance
        pattern = template if isinstance(template, str) else chance.choice(template)
        topic, other = chance.sample(self.topics, 2)
        text = pattern.format(
            topic=topic,
            other=other,
            noun=chance.choice(self.stock.nouns),
            quality=chance.choice(self.stock.qualities),
            who=chance.choice(self.stock.people),
            number=chance.randint(3, 48),
        )
        # A sentence may begin with a gap: "{topic} in practice".
        return text[0].upper() + text[1:]
