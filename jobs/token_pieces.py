"""Long texts are counted in pieces: whole, one would take gigabytes, or keep everything else from running."""

import re
import threading
from collections.abc import Callable, Iterator

LONGEST_PIECE = 2048
"""Characters that are counted in one call. It holds the interpreter's lock: 3 ms for random letters, the slowest text.
Whole, 16 MiB of them stopped all streams of a worker for 18 s."""

LONGEST_OF_FILE = 65_536
"""The same with a tokenizer from a file, which takes 300 bytes of memory for each character: 2.5 GB for 8 MB of text.
Some begin each text with a space, so that a cut may add a token."""

_SEAM = re.compile(r"(?<=\S) (?=[^\W\d_])|(?<=[^\W\d_])[，。！？；：、](?=[^\W\d_])|(?<=\n)(?=[^\W\d_])")
"""Where OpenAI's encodings always begin a new word, so that what is before and behind can be counted apart."""


def pieces_of(text: str, longest: int) -> Iterator[str]:
    """The text in pieces of at most `longest` characters, cut where no token is cut. Where there is no such place (all
    prose has one) the cut may cost a token.
    """
    begin = 0
    while len(text) - begin > longest:
        middle, most = begin + longest // 2, begin + longest
        seam = _SEAM.search(text, middle, most) or _SEAM.search(text, begin + 1, middle)
        end = seam.start() if seam else most
        yield text[begin:end]
        begin = end
    yield text[begin:]


def count_in_pieces(count_piece: Callable[[str], int], longest: int) -> Callable[[str], int]:
    """A function that counts the tokens of a text by those of its pieces, one piece at a time for all threads."""
    one_at_a_time = threading.Lock()

    def count(text: str) -> int:
        tokens = 0
        for piece in pieces_of(text, longest):
            with one_at_a_time:
                tokens += count_piece(piece)
        return tokens

    return count
