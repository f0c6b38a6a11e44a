"""Asks for the rest of a text that stopped at the token limit, part by part, within one attempt.

A part is no attempt: it is charged to nobody, its watchers see neither a reset nor a seam, and what it wrote is noted
before the next one is asked for, so that an attempt after a crash goes on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from logging import getLogger
from typing import Any

from jobs.acceptance.text_ends import find_bad_ending
from jobs.dispatch.reservation import CHARACTERS_PER_TOKEN
from jobs.lifecycle.continued import note_segments
from jobs.lifecycle.lease import Claimed
from jobs.model.cut_short import CUT_SHORT
from jobs.model.message import has_calls
from jobs.model.segments import Segment, clip
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.store.job_requests import prompt_bytes
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSpec
from worker.active_attempts import ActiveAttempt, StopReason
from worker.continuation import LIMITS, ask_for_the_rest, continue_request
from worker.db_retry import retry_until_stored
from worker.measure import StreamEnd, measure_segment
from worker.part_messages import note_part
from worker.seam import Seam
from worker.upstream.ending import Ending
from worker.upstream.errors import ModelRefused, Rejected, TextTooLong, TooLargeForLimit, UpstreamError

log = getLogger(__name__)

AT_LIMIT = "length"
"""The finish reason of a text that stopped at the token limit."""

_ESTIMATED_OUTPUT = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """The request for what comes after a text."""

    request: Mapping[str, Any]
    estimated_tokens: int
    number: int
    """How many parts the text has before it."""


class Parts:
    """Asks for the parts of texts, each in its job's own thread. The parts are the process's own."""

    def __init__(self, database: Database, tokenizers: Tokenizers, settings: Settings) -> None:
        self._database = database
        self._tokenizers = tokenizers
        self._settings = settings

    def write_on(
        self,
        running: ActiveAttempt,
        outcome: StreamEnd,
        spec: UpstreamSpec | None,
        ask: Callable[[UpstreamSpec, Part], StreamEnd],
    ) -> StreamEnd:
        """How the text ended, once no more of it is to be asked for. `ask` streams one part and records it."""
        while isinstance(outcome, Ending) and spec is not None and self._may_go_on(running, outcome, spec):
            if not self._note(running, outcome):
                return StopReason.LOST
            part = self._next_part(running, spec)
            if part is None:
                return outcome
            log.info("continue: part %d", part.number + 1, extra={"job_id": running.job.id, "attempt": running.attempt})
            running.end_request(outcome)
            running.is_noted = False
            before, outcome = outcome, ask(spec, part)
            if isinstance(outcome, UpstreamError) and (why := _why_no_more(running, outcome)) is not None:
                log.info("continue: no more, %s", outcome.code, extra={"job_id": running.job.id})
                running.end_request(outcome)
                # A model that declines in an answer has counted its tokens.
                declined = outcome.ending if isinstance(outcome, ModelRefused) else None
                if declined is not None and not self._note(running, declined):
                    return StopReason.LOST
                running.incomplete, running.is_noted = why, True
                return before
        return _as_the_text_ended(running, outcome) if isinstance(outcome, Ending) else outcome

    def resume(self, running: ActiveAttempt, claimed: Claimed, spec: UpstreamSpec | None) -> None:
        """Take over what earlier attempts wrote of the text that this one continues. What an attempt wrote behind a
        seam before its worker died is in doubt: only that worker knew what the answer began with.
        """
        if not claimed.segments:
            return
        if not running.text:  # it was lost with them, and the row of this attempt has them from the claim
            retry_until_stored(running, note_segments, self._database, running.job.id, running.attempt, ())
            return
        length = len(running.text.encode())
        kept = clip(claimed.segments, length)
        end = kept[-1].end if kept else 0
        if end < length:  # written since its last whole part, by an attempt that was interrupted
            own = running.attempt - 1, end, length - end, claimed.segments[-1].upstream
            kept += (Segment(*own, None, None, doubtful=end > 0 and spec is not None and spec.prefix == "none"),)
        running.segments = kept

    def request_for_rest(self, running: ActiveAttempt, spec: UpstreamSpec) -> Mapping[str, Any]:
        """The body that asks for what comes after `running.text`, and the seam where the answer needs one."""
        job = running.job
        running.text_tokens = self._tokenizers.count_text(job.model, running.text).tokens
        if spec.prefix != "none":
            running.seam = None
            return continue_request(running.request, running.text, self._spent(running), spec.prefix)
        running.seam = Seam(running.text, lambda piece: running.recording.add(piece) if running.recording else None)
        return ask_for_the_rest(running.request, running.text, self._spent(running))

    def _may_go_on(self, running: ActiveAttempt, ending: Ending, spec: UpstreamSpec) -> bool:
        job, recording = running.job, running.recording
        if job.max_continuations is None or ending.finish_reason != AT_LIMIT or has_calls(ending.message):
            return False
        if recording is None or not len(running.text.encode()) < len(recording.text) < self._settings.max_text_bytes:
            return False  # nothing new came, or as much as a job may hold
        if spec.prefix == "none" and _is_json(job.request or {}):
            return False  # an answer in a new message begins another value
        whole = sum(segment.finish_reason == AT_LIMIT for segment in running.segments)
        return whole < job.max_continuations

    def _note(self, running: ActiveAttempt, ending: Ending) -> bool:
        """The part is whole: what comes is written after it, also by another attempt. False: the lease was lost."""
        recording = running.recording
        if recording is None:
            return False
        running.segments = (*running.segments, measure_segment(running, ending, self._tokenizers))
        note_part(running, ending.message)
        running.is_noted = True
        running.text, running.reasoning = bytes(recording.text).decode(), bytes(recording.reasoning).decode()
        own = (self._database, running.job.id, running.attempt, running.segments)
        return retry_until_stored(running, note_segments, *own)

    def _next_part(self, running: ActiveAttempt, spec: UpstreamSpec) -> Part | None:
        """None: the request's own limit is reached, which is for the whole text."""
        asked = running.request
        request = self.request_for_rest(running, spec)
        limits = [asked[name] for name in LIMITS if isinstance(asked.get(name), int)]
        left = min(limits) - self._spent(running) if limits else _ESTIMATED_OUTPUT
        if left <= 0:
            return None
        return Part(
            request, _prompt_tokens(running, request) + min(left, self._longest_part(running)), len(running.segments)
        )

    def _longest_part(self, running: ActiveAttempt) -> int:
        """In tokens: where the upstream has cut the parts so far, it will cut the next one."""
        return max(filter(None, _output_tokens(running)), default=max(running.text_tokens, _ESTIMATED_OUTPUT))

    def _spent(self, running: ActiveAttempt) -> int:
        """How many tokens the text has taken so far: as the upstream counted each part, if it counted all of them."""
        told = _output_tokens(running)
        known = [tokens for tokens in told if tokens is not None]
        # What an earlier attempt wrote before the first of them was counted by nobody.
        is_whole = bool(known) and len(known) == len(told) and running.segments[0].offset == 0
        return sum(known) if is_whole else running.text_tokens


def _as_the_text_ended(running: ActiveAttempt, ending: Ending) -> Ending:
    """What the last request said of its own end is not true of a text that it added nothing to: that still ends where
    it stopped before.
    """
    recording, before = running.recording, running.text.encode()
    if not before or recording is None or bytes(recording.text[len(before) :]).strip():
        return ending
    was_begun_again = running.seam is not None and running.seam.began_again
    if ending.is_cut_short or (_ends_well(running) and not was_begun_again):
        return ending
    log.info("continue: no more, nothing new came", extra={"job_id": running.job.id, "begun_again": was_begun_again})
    if not running.segments or running.segments[-1].finish_reason != AT_LIMIT:
        return replace(ending, is_unsaid=True)  # it was interrupted, and nobody knows
    running.incomplete = CUT_SHORT[AT_LIMIT]
    return ending if has_calls(ending.message) else replace(ending, finish_reason=AT_LIMIT)


def _ends_well(running: ActiveAttempt) -> bool:
    """Whether a text may be whole, by how it ends. Whether JSON is, its check tells."""
    if _is_json(running.job.request or {}):
        return running.text.rstrip().endswith(("}", "]"))
    return find_bad_ending(running.text) is None


def _output_tokens(running: ActiveAttempt) -> list[int | None]:
    """What each request has written of the text so far; None where nobody knows."""
    return [segment.usage.output_tokens if segment.usage else None for segment in running.segments]


def _prompt_tokens(running: ActiveAttempt, request: Mapping[str, Any]) -> int:
    """What the upstream counted for the first request, and the text since. If it has not counted, an estimate."""
    first, counted = running.segments[0], running.segments[0].usage
    if counted is not None and counted.source == "upstream" and counted.input_tokens is not None:
        length = len(running.text.encode())  # the first request may have gone on with a part of it
        return counted.input_tokens + running.text_tokens * (length - first.offset) // length
    return prompt_bytes(request) // CHARACTERS_PER_TOKEN


def _why_no_more(running: ActiveAttempt, error: UpstreamError) -> str | None:
    """Why the rest of a text cannot be had, if that is what an error says; the text so far is then all there is."""
    began_again = running.seam is not None and running.seam.began_again
    if began_again and isinstance(error, TextTooLong):  # nothing of it is in the text, which is as it was
        return "max_output_tokens"
    if running.has_new:  # it was refused in the middle, and not for what was asked
        return None
    if error.is_too_large and not isinstance(error, TooLargeForLimit):
        return "context_window"
    is_refused = type(error) is Rejected or isinstance(error, (TooLargeForLimit, ModelRefused))
    return "max_output_tokens" if is_refused else None


def _is_json(request: Mapping[str, Any]) -> bool:
    wanted = request.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema")
