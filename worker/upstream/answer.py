"""One answer while it is read: takes payloads, yields text, and decides at the end what the answer was."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.upstream.beside import Beside
from worker.upstream.chunks import Choice, Chunk, read_chunk, read_plain, read_plain_reasoning
from worker.upstream.dialects.finish_reasons import Meaning
from worker.upstream.empty_answers import error_of_empty
from worker.upstream.end_signs import BodyEnd, EndSigns, Judged, error_of_end
from worker.upstream.ending import Ending
from worker.upstream.errors import Aborted, CutMidStream, EndedWithoutEnd, MalformedChunk, UpstreamError, quote
from worker.upstream.habits import Habit
from worker.upstream.lean import Budget, decode_lean, is_light
from worker.upstream.lenient import chunk_of, read_leniently, split_glued
from worker.upstream.logprobs import Logprobs
from worker.upstream.own_words import NO_WORDS, OwnWords
from worker.upstream.rate_limits import RateLimit
from worker.upstream.reasoning import ReasoningOutput, reasoning_of
from worker.upstream.sse import DONE, strip_fields
from worker.upstream.text import make_storable
from worker.upstream.text_output import TextOutput
from worker.upstream.tool_calls import ToolCalls
from worker.upstream.usage import UsageReports

MAX_NOTED = 200
"""Ids and names are cut to this many characters: they are stored for people, and nothing depends on them."""


class Answer:
    """What the upstream has said so far."""

    def __init__(
        self,
        on_text: Callable[[str], None],
        max_text_bytes: int,
        *,
        think_tags: bool = False,
        on_accepted: Callable[[], None] | None = None,
        on_reasoning: Callable[[str], None] = lambda _: None,
        own: OwnWords = NO_WORDS,
    ) -> None:
        self.own = own
        self._reasoning = ReasoningOutput(on_reasoning, max_text_bytes)
        self._text = TextOutput(on_text, max_text_bytes, think_tags=think_tags, on_thought=self._reasoning.feed)
        self._on_accepted = on_accepted
        self._cut: CutMidStream | None = None
        self._usage = UsageReports()
        self._id: str | None = None
        self._model: str | None = None
        self._beside = Beside()
        self._calls = ToolCalls()
        self._logprobs = Logprobs()
        self._budget = Budget()
        self._last_payload = b""
        self._is_plain = False
        """The last chunk was text, and no end is near: the next one most likely is text and nothing else."""
        self._is_thinking = False
        """The last chunk was reasoning and nothing else, and the next one most likely is, too."""
        self.is_accepted = False
        """The upstream took the request and has begun to write, or has ended its answer as one does."""
        self.signs = EndSigns()
        self.rate_limits: tuple[RateLimit, ...] = ()

    def take(self, payload: bytes) -> bool:
        """Read one payload. True when it was progress: text, reasoning, or any other content.

        Raises the typed error that the payload holds, but not after the proven end of the text.
        """
        if self._is_plain:
            content = read_plain(payload)
            if content is not None:
                if content:
                    self._text.feed(content)
                return content != ""
            self._is_plain = False
        elif self._is_thinking:
            thought = read_plain_reasoning(payload)
            if thought:
                self._reasoning.feed(thought)
                return True
            self._is_thinking = False
        return self._take_any(payload)

    def _take_any(self, payload: bytes) -> bool:
        is_usual = payload[:1] == b"{" and not self.signs.is_done and is_light(payload)
        chunk = read_chunk(payload) if is_usual else None
        if chunk is None:
            try:
                chunk = self._read_unusual(payload)
            except MalformedChunk:
                parts = split_glued(payload, self._budget)
                if not parts:
                    raise
                are_progress = [self.take(part) for part in parts]
                return any(are_progress)
            if chunk is None:
                return False
        if chunk.usage is not None or self._id is None or chunk.citations is not None:
            self._note(chunk)
        own = chunk.own_choices
        took = [self._take_choice(choice) for choice in own]
        if not any(took):
            return False
        choice = own[-1]
        self.is_accepted = True
        if self._on_accepted is not None:
            self._on_accepted()
            self._on_accepted = None
        goes_on = self.signs.reason is None and chunk.usage is None and chunk.citations is None
        self._is_thinking = goes_on and choice.delta is not None and choice.delta.has_reasoning
        self._is_plain = goes_on and self.signs.has_content and not self._is_thinking
        return True

    def _read_unusual(self, payload: bytes) -> Chunk | None:
        """The chunk in a payload that is not of the usual shape; None when it says nothing that counts."""
        if self.signs.is_done:
            return None
        payload = strip_fields(payload)
        if not payload or payload == DONE:
            self.signs.is_done = bool(payload)
            return None
        try:
            chunk = read_leniently(payload, self._budget, self.own)
        except UpstreamError:
            if self.signs.may_end_in_silence():
                return None
            raise
        if not chunk.choices:
            self._last_payload = payload
        elif not self.signs.has_content and b'"chat.completion"' in payload and b'"delta"' not in payload:
            self.signs.is_last = True  # the whole answer in one event
        return chunk

    def read_whole(self, body: bytes) -> object:
        """The JSON in a whole body; None when there is none."""
        try:
            return decode_lean(body, self._budget)
        except (ValueError, RecursionError):
            return None

    def take_whole(self, completion: Mapping[str, Any], body: bytes = b"") -> None:
        """Take an answer that came whole. Its JSON has ended, which is as good as `[DONE]`: nothing can be missing."""
        chunk = chunk_of(completion, body)
        self._note(chunk)
        for choice in chunk.own_choices[:1]:
            self._take_choice(choice)
        self.signs.is_done = self.signs.is_json = True

    def note_cut(self, error: CutMidStream) -> None:
        """The connection broke."""
        self._cut = error

    def note_stray(self, stray: bytes) -> None:
        """Something stood between the events that is none."""
        self._last_payload = stray or self._last_payload

    def ending(self, *, is_whole: bool = False, is_unsaid: bool = False) -> Ending:
        """What is known so far. Tool calls are part of a whole answer only: nobody may take half of one for a call."""
        message = self._beside.as_message()
        if is_whole:
            message |= self._calls.as_message()
            message |= {"logprobs": logprobs} if (logprobs := self._logprobs.as_choice()) else {}
            message |= {"logprobs_dropped": True} if self._logprobs.are_dropped else {}
        if self.signs.word is not None and self.signs.word != self.signs.reason:
            message["finish_reason"] = make_storable(self.signs.word[:MAX_NOTED])
        elif self.signs.reason is not None and self.signs.meaning is None:
            message["unknown_finish_reason"] = make_storable(self.signs.reason[:MAX_NOTED])
        if self._text.trimmed:
            message["repeated_deltas"] = self._text.trimmed
        reason = make_storable(self.signs.reason[:MAX_NOTED]) if self.signs.reason else None
        has_any = self._text.bytes or self._reasoning.bytes or self._calls.are_there
        usage = self._usage.read(is_empty=not has_any and self.signs.meaning in (Meaning.WHOLE, Meaning.FILTERED))
        return Ending(reason, usage, self._id, self._model, self.rate_limits, message or None, is_unsaid)

    def finish(self, end: BodyEnd, known: frozenset[Habit] = frozenset(), *, alone: bool = True) -> Ending:
        """Judge the answer, whose body has ended so. Raises unless it is complete, and a text or a tool call.

        `known` is what its upstream and model have shown before, `alone` whether no other request ran beside it.
        """
        judged = self.signs.judge(end, known, alone=alone)
        if judged is Judged.CUT:
            raise self._not_whole(end, alone)
        self.is_accepted = True
        repeats = Habit.REPEATS_TEXT in known
        self._text.close(is_known_to_repeat=repeats)
        self._reasoning.close(is_known_to_repeat=repeats)
        self.signs.is_cumulative = self._text.is_cumulative
        if self.signs.meaning is Meaning.FAILED:
            word = quote(self.signs.word or "")
            raise Aborted(f"The upstream broke off its answer (finish_reason {word}), so the text is likely cut.")
        if self._calls.are_there:
            self._judge_calls()
        elif self._text.bytes == 0:
            self._beside.refuse()
            raise error_of_empty(self.signs.meaning, self.signs.word, self._usage.read())
        return self.ending(is_whole=True, is_unsaid=judged is Judged.UNSAID)

    def _not_whole(self, end: BodyEnd, alone: bool) -> UpstreamError:
        self.signs.note_bare_end(end)
        is_dropped = self.signs.is_done and self.signs.reason is None and (end is BodyEnd.CUT or not alone)
        if self._cut is not None and not is_dropped:
            return self._cut
        return error_of_end(self.signs, self._last_payload, is_dropped=is_dropped)

    def _judge_calls(self) -> None:
        """Raise if a call ends in the middle, unless the upstream says that it has cut the answer there."""
        cut = self._calls.find_cut()
        if cut is not None and self.signs.meaning not in (Meaning.CUT_AT_LIMIT, Meaning.FILTERED):
            where = f"inside the arguments of the tool call {cut}"
            raise EndedWithoutEnd(f"The upstream ended its answer {where}, so the call is likely cut.")

    def _note(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self._usage.add(chunk.usage)
        if self._id is None and isinstance(chunk.id, str):
            self._id = make_storable(chunk.id[:MAX_NOTED])
        if self._model is None and isinstance(chunk.model, str):
            self._model = make_storable(chunk.model[:MAX_NOTED])
        if isinstance(chunk.system_fingerprint, str):
            self._beside.note("system_fingerprint", make_storable(chunk.system_fingerprint[:MAX_NOTED]))
        if chunk.citations or chunk.search_results:
            self._beside.note("citations", chunk.citations)
            self._beside.note("search_results", chunk.search_results)

    def _take_choice(self, choice: Choice) -> bool:
        delta = choice.delta
        has_content = is_progress = thinks = False
        had_content = self.signs.has_content
        if delta is not None:
            is_message = choice.came_as_message
            thinks = delta.has_reasoning
            if thinks:
                (self._reasoning.feed_message if is_message else self._reasoning.feed)(reasoning_of(delta))
            if delta.content:
                is_progress = True
                has_content = self._take_content(delta.content, is_message=is_message)
            if delta.tool_calls or delta.function_call:
                is_progress = True
                called = self._calls.feed(delta.tool_calls, delta.function_call, is_message=is_message)
                has_content = has_content or called
            if has_content and (self.signs.reason is not None or not had_content):
                self.signs.note_content()
            if thinks or delta.refusal or delta.annotations:
                is_progress = self._beside.take(delta) or is_progress
                self.signs.note_reasoning(thinks)
        if choice.logprobs:
            self._logprobs.feed(choice.logprobs)
        if choice.finish_reason is not None:
            beside = has_content or thinks
            self.signs.note_finish(choice.finish_reason, beside_content=beside, after_content=had_content)
        return is_progress

    def _take_content(self, content: str | list[Any], *, is_message: bool) -> bool:
        """Whether it holds any text."""
        if not isinstance(content, str):
            content = self._beside.take_parts(content, self._reasoning.feed)
        if content:
            (self._text.feed_message if is_message else self._text.feed)(content)
        return bool(content)
