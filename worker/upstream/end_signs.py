"""Whether an answer is whole: what its finish_reasons, its `[DONE]` and the end of its body say together.

A finish_reason beside content proves nothing: some upstreams send one in every chunk, from the first on. One in a chunk
without content is good unless more content comes after it. `[DONE]` and a body that ends as it was announced are good
unless this upstream and model are known to say more than that.
"""

from enum import StrEnum

from worker.upstream.dialects.finish_reasons import Meaning, read_finish_reason
from worker.upstream.errors import EndedWithoutEnd, Interrupted, UpstreamError, quote
from worker.upstream.habits import Habit


class BodyEnd(StrEnum):
    """How a body ended."""

    ANNOUNCED = "announced"
    """With its last chunk, or at its content-length."""
    HUNG_UP = "hung_up"
    """With its connection, which was closed in order: the only end that such a body has, and that of a crash, too."""
    CUT = "cut"
    """In the middle, or by an error."""
    SILENT = "silent"
    """It has not ended: nothing more came for a while."""


class Judged(StrEnum):
    """Whether an answer is whole."""

    WHOLE = "whole"
    UNSAID = "unsaid"
    """Its body ended as announced, as this upstream ends all of them, and nothing said that the text is whole: a server
    that breaks off behind a gateway ends in the same way. The text is kept, and said to be maybe cut.
    """
    CUT = "cut"


_NOT_WHOLE = (Meaning.FAILED, Meaning.CUT_AT_LIMIT, Meaning.FILTERED)


class EndSigns:
    """Collects them while an answer is read."""

    __slots__ = (
        "ended_bare",
        "has_content",
        "has_gone_on",
        "is_astray",
        "is_contradicted",
        "is_cumulative",
        "is_done",
        "is_json",
        "is_last",
        "is_proof",
        "is_resumed",
        "meaning",
        "reason",
        "was_beside_content",
        "word",
    )

    def __init__(self) -> None:
        self.word: str | None = None
        """The last finish_reason as it came."""
        self.reason: str | None = None
        """The same in OpenAI's words."""
        self.meaning: Meaning | None = None
        self.is_done = False
        """`[DONE]` was read, or a JSON body has ended."""
        self.is_astray: bool | None = None
        """What is no event stood behind the last one, before any `[DONE]`. None: the end has not come."""
        self.is_json = False
        """The answer came as one JSON object, which cannot be whole when something is missing."""
        self.is_proof = False
        """The last finish_reason stood in a chunk without content, and no content has come since."""
        self.is_contradicted = False
        """Content came after a finish_reason."""
        self.is_resumed = False
        """Content came even after one that stood in a chunk without any."""
        self.has_content = False
        self.has_gone_on = False
        """Content came since the last finish_reason."""
        self.ended_bare = False
        """The body ended as announced, and nothing said that the text was whole."""
        self.is_last = False
        """Content came without a finish_reason, and then some with one; or all of it came in one event."""
        self.is_cumulative = False
        """Each delta held all of the text before it."""
        self.was_beside_content = False
        """A finish_reason stood beside content or reasoning. Then one beside neither may come in the middle, too."""

    def note_content(self) -> None:
        """Content came, in a chunk whose own finish_reason is noted after it."""
        self.has_content = True
        if self.reason is not None:
            self.is_contradicted = self.has_gone_on = True
            self.is_resumed = self.is_resumed or self.is_proof
            self.is_proof = False

    def note_reasoning(self, thinks: bool) -> None:
        """While the model thinks on, the text is hardly over, whatever was said before."""
        self.is_proof = self.is_proof and not thinks

    def note_finish(self, word: str | None, *, beside_content: bool, after_content: bool) -> None:
        """A chunk has this finish_reason; `after_content`: content had come before this chunk."""
        reason, meaning = read_finish_reason(word)
        if reason is None:
            return
        self.is_last = self.is_last or (self.reason is None and after_content)
        self.was_beside_content = self.was_beside_content or beside_content
        # A gateway may put its own "stop" behind the upstream's word for a text that is not whole.
        if not (meaning is Meaning.WHOLE and self.meaning in _NOT_WHOLE and not self.has_gone_on):
            self.word, self.reason, self.meaning = word, reason, meaning
        self.has_gone_on = False
        # In front of all content it is one of those that stand in every chunk.
        self.is_proof = not beside_content and (self.has_content or meaning is not Meaning.WHOLE)

    def note_astray(self, is_astray: bool, *, at_end: bool) -> None:
        """What is no event stands behind the last one; that counts at the end, and no more behind `[DONE]`."""
        if at_end and self.is_astray is None:
            self.is_astray = is_astray

    def may_end_in_silence(self) -> bool:
        """Whether nothing more need come: silence after this is an end, and no stall."""
        return self.is_done or (self.is_proof and not self.is_resumed)

    def judge(self, end: BodyEnd, known: frozenset[Habit], *, alone: bool) -> Judged:
        """Whether the answer is whole, now that its body has ended so, by what is known of its upstream and model.

        `alone` says that no other request to this model ran meanwhile.
        """
        if self.is_json:
            return Judged.WHOLE
        # Some gateways put the error page of another server into the stream, and their own `[DONE]` behind it.
        if self.is_astray and not self.is_proof:
            return Judged.CUT
        if self.reason is None:
            return self._judge_without_reason(end, known, alone=alone)
        if self.is_done or (self.is_proof and not (self.is_resumed or Habit.RESUMES_AFTER_FINISH in known)):
            return Judged.WHOLE
        if end not in (BodyEnd.ANNOUNCED, BodyEnd.HUNG_UP) or Habit.SENDS_DONE in known:
            return Judged.CUT
        is_announced = end is BodyEnd.ANNOUNCED
        if self.is_contradicted or Habit.FINISHES_EARLY in known:
            return Judged.UNSAID if is_announced else Judged.CUT
        # A server that breaks down hangs up in the same way. A finish_reason is believed there if it is known not to
        # stand in every chunk.
        is_believed = is_announced or self.is_last or Habit.HANGS_UP in known
        return Judged.WHOLE if is_believed else Judged.CUT

    def _judge_without_reason(self, end: BodyEnd, known: frozenset[Habit], *, alone: bool) -> Judged:
        # From one that gives reasons it is the end of a request that the server dropped for a newer one. Whether this
        # one gives any is only sure when no newer request was there.
        if Habit.GIVES_FINISH_REASON in known or end is BodyEnd.CUT:
            return Judged.CUT
        if self.is_done:
            return Judged.WHOLE if alone or Habit.GIVES_NO_REASON in known else Judged.CUT
        is_bare = end is BodyEnd.ANNOUNCED and Habit.ENDS_BARE in known and Habit.SENDS_DONE not in known
        return Judged.UNSAID if is_bare else Judged.CUT

    def note_bare_end(self, end: BodyEnd) -> None:
        """The answer was not whole, and its body ended so."""
        is_bare = self.reason is None and self.has_content and not self.is_done and not self.is_astray
        self.ended_bare = is_bare and end is BodyEnd.ANNOUNCED

    def habits(self, end: BodyEnd, *, alone: bool) -> set[Habit]:
        """What an answer that was kept shows of its upstream and model."""
        shown = self.habits_of_failure()
        if self.is_done and not self.is_json:
            shown.add(Habit.SENDS_DONE)
            if self.reason is None and alone:
                shown.add(Habit.GIVES_NO_REASON)
        if end is BodyEnd.HUNG_UP and not self.is_done:
            shown.add(Habit.HANGS_UP)
        return shown

    def habits_of_failure(self) -> set[Habit]:
        """What an answer shows even when it was not whole."""
        shown = set()
        # Some say where they cut a text, and not that it has come to its end.
        if self.meaning in (Meaning.WHOLE, Meaning.TOOL_CALL, Meaning.FUNCTION_CALL):
            shown.add(Habit.GIVES_FINISH_REASON)
        if self.is_contradicted:
            shown.add(Habit.FINISHES_EARLY)
        if self.is_resumed:
            shown.add(Habit.RESUMES_AFTER_FINISH)
        if self.ended_bare:
            shown.add(Habit.ENDS_BARE)
        if self.is_cumulative:
            shown.add(Habit.REPEATS_TEXT)
        return shown


def error_of_end(signs: EndSigns, last_payload: bytes, *, is_dropped: bool) -> UpstreamError:
    """Why an answer whose body ended well is not whole; `is_dropped`: the server went on to a newer request."""
    if is_dropped:
        return Interrupted(
            "The upstream ended its answer without a finish_reason, as a server that writes one text at a time does"
            " when another request comes."
        )
    last = f" Last it sent: {quote(last_payload)}" if last_payload else ""
    if signs.is_astray and signs.has_content:
        return EndedWithoutEnd(f"The upstream's answer ends with what is no event, so the text is likely cut.{last}")
    if signs.reason is not None:
        return EndedWithoutEnd(
            f"The upstream ended its answer with finish_reason {quote(signs.reason)} beside text, which others"
            f" send in the middle, too, and with nothing after it, so the text is likely cut.{last}"
        )
    what = "without a finish_reason, which it gives otherwise" if signs.is_done else ""
    return EndedWithoutEnd(
        f"The upstream ended its answer {what or 'with neither a finish_reason nor [DONE]'}, so the text is likely"
        f" cut.{last}"
    )
