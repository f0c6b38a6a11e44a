"""The seam between a text and its rest, where the rest came as the answer to a new message.

The first characters of such an answer are held back until it is known what of them is new, and for as long as all that
came stands in the text already: it may begin the whole text again.
"""

from collections.abc import Callable

from worker.doubt import is_doubtful
from worker.repetition import FOLLOWED, HELD, Run, is_long, letters_of, place_behind
from worker.rest import (
    Earlier,
    beginnings,
    brings_nothing,
    find_asked,
    find_new,
    has_only_begun,
    is_no_text,
    without_double_space,
)


class Seam:
    """Passes on what is new of the rest of a text. `before` is the text that it follows."""

    def __init__(self, before: str, on_text: Callable[[str], None]) -> None:
        self._earlier = Earlier.of(before)
        self._on_text = on_text
        self._held = bytearray()
        self._length = 0
        self._run: Run | None = None
        self._run_from = 0
        """Where what is followed begins in the answer."""
        self._new_from: int | None = None
        """Where what is new begins, once that is known, but not yet what it begins with."""
        self._is_open = False
        self.began_again = False
        """Whether the answer is another version of the text: nothing of it is passed on."""
        self.cut = ""
        """What was left out, once that is decided."""
        self.is_doubtful = False
        """Whether nobody can be sure that what is new joins the text as it should."""
        self.skipped = 0
        """How many characters later a place stands in the answer than in what is new of it."""

    @property
    def has_begun(self) -> bool:
        """Whether anything came."""
        return self._is_open or self._length > 0

    @property
    def left_out(self) -> str:
        """What came and is not in the text: it was cut, or is still held back."""
        return self.cut or self._held.decode()

    def feed(self, piece: str) -> None:
        """Take the next piece of the answer."""
        if self._is_open:
            self._on_text(piece)
            return
        self._held += piece.encode()
        self._length += len(piece)
        if self.began_again:
            self.skipped = self._length
        elif self._run is not None:
            self._follow(self._run, piece)
        elif self._length >= HELD and (self._length > 2 * HELD or not piece.isspace()):
            self._decide(self._held.decode())

    def close(self, *, is_early: bool = False) -> None:
        """Decide now: nothing more comes. `is_early`: the answer was stopped, cut short or broke off."""
        if self._is_open or self.began_again:
            return
        held = self._held.decode()
        if self._new_from is not None:
            self._open(held, without_double_space(self._earlier.text, held[self._new_from :]))
        elif is_early and (self._run is not None or has_only_begun(self._earlier, held)):
            self._open(held, "")
        elif not is_early and brings_nothing(self._earlier, held):
            self.began_again, self.skipped = True, self._length
        else:
            self._end(held)

    def _decide(self, held: str) -> None:
        """Enough has come to see what is new, unless all of it stands in the text: then more must come."""
        head = held[:HELD]
        if find_asked(self._earlier, head) is None:
            for begin in beginnings(self._earlier, head):
                letters, run = letters_of(head[begin:]), Run(self._earlier.known)
                if len(letters) >= FOLLOWED and is_long(letters[:FOLLOWED]) and run.follow(letters):
                    self._run, self._run_from = run, begin
                    self._follow(run, held[HELD:])
                    return
        self._end(held, is_whole=False)

    def _follow(self, run: Run, piece: str) -> None:
        if self._new_from is None and run.follow(letters_of(piece)):
            return
        held = self._held.decode()
        if not run.reaches_end:
            self._end(held)
            return
        if self._new_from is None:
            # Counted from its beginning: with this piece the run may have moved to a later place, nearer to the end.
            self._new_from = self._run_from + place_behind(held[self._run_from :], run.length)
        new = held[self._new_from :]
        if new.strip() or len(new) > HELD:
            self._open(held, without_double_space(self._earlier.text, new))

    def _end(self, held: str, *, is_whole: bool = True) -> None:
        """Pass on what is new; or nothing, if the answer is another version of the text."""
        new = find_new(self._earlier, held, self._run.length if self._run is not None else 0)
        if new is None:
            self.began_again, self.skipped = True, self._length
        elif is_whole or new.strip() or len(held) > 2 * HELD:  # else nobody knows how many empty lines it begins with
            self._open(held, new)

    def _open(self, held: str, new: str) -> None:
        self._is_open = True
        self._run = None
        lead = held[: self._run_from]  # before a repetition that was cut, and cut with it
        self.is_doubtful = is_doubtful(self._earlier, held, new) or (bool(lead) and not is_no_text(self._earlier, lead))
        self._held, self._earlier = bytearray(), Earlier.of("")  # they may have megabytes
        self.skipped = len(held) - len(new)
        has_space_before = not held.endswith(new)
        self.cut = held[: self.skipped + has_space_before]
        if new:
            self._on_text(new)
