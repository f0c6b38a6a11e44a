"""Measures what an attempt wrote: its length, its hash and its tokens, counted after the stream."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec.structs import asdict

from jobs.live.status_changes import EMPTY_SHA256
from jobs.model.cost import Cost
from jobs.model.cut_short import CUT_SHORT
from jobs.model.endings import AttemptResult
from jobs.model.message import calls_as_text
from jobs.model.records import Usage
from jobs.model.segments import Segment, clip, sum_usage
from jobs.model.status import DOUBTFUL_SEAM, NO_END_SIGN
from jobs.pricing import cost_of
from jobs.tokens import TokenCount, Tokenizers
from jobs.upstreams import Price, UpstreamSpec
from worker.active_attempts import ActiveAttempt, StopReason
from worker.part_messages import whole_message
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import Repetition, Unreachable, UpstreamError

StreamEnd = Ending | UpstreamError | StopReason
"""How a stream ended: whole, with an error, or cut by this process."""

NOTHING_WRITTEN = AttemptResult(text="", bytes=0, sha256=EMPTY_SHA256, deltas=0, first_delta_at=None)


def measure(
    running: ActiveAttempt, outcome: StreamEnd, tokenizers: Tokenizers, spec: UpstreamSpec | None = None
) -> AttemptResult:
    """The text of an attempt that is over, with all that is stored beside it."""
    if outcome is StopReason.LOST:
        return NOTHING_WRITTEN  # it is stored nowhere: what the attempt cost is counted from its checkpoint
    recording = running.recording
    encoded, thoughts = _written(running)
    ending = outcome.ending if isinstance(outcome, UpstreamError) else outcome
    ending = ending if isinstance(ending, Ending) else None
    counted, reasoning = _count(running, encoded, thoughts, tokenizers)
    segments = running.segments
    if not running.is_noted:
        segments += (_segment(running, ending, _usage(running, ending, counted, reasoning, tokenizers)),)
    usages = [segment.usage for segment in segments if segment.attempt == running.attempt]
    if isinstance(outcome, Repetition):  # the rest is paid for and not kept
        encoded, thoughts = outcome.cut(encoded, thoughts)
        counted, reasoning = _count(running, encoded, thoughts, tokenizers)
        segments = clip(segments, len(encoded))
    incomplete = running.incomplete or (_why_incomplete(ending) if ending else None)
    if incomplete is None and any(segment.doubtful and segment.bytes for segment in segments):
        incomplete = DOUBTFUL_SEAM
    return AttemptResult(
        text=encoded.decode(),
        bytes=len(encoded),
        sha256=sha256(encoded).hexdigest(),
        deltas=recording.deltas if recording else 0,
        first_delta_at=recording.first_delta_at if recording else None,
        usage=sum_usage(usages),
        text_tokens=counted.tokens,
        text_tokens_source=counted.source,
        finish_reason=ending.finish_reason if ending else None,
        incomplete=incomplete,
        segments=_worth_storing(segments),
        reasoning=thoughts.decode(),
        reasoning_bytes=len(thoughts),
        reasoning_sha256=sha256(thoughts).hexdigest() if thoughts else None,
        reasoning_text_tokens=reasoning.tokens if reasoning else None,
        reasoning_text_tokens_source=reasoning.source if reasoning else None,
        message=whole_message(running, ending.message if ending else None),
        upstream_id=ending.upstream_id if ending else None,
        upstream_model=ending.upstream_model if ending else None,
        cost=_cost(running, outcome, usages, spec.price_of(running.job.model) if spec else None),
    )


def _why_incomplete(ending: Ending) -> str | None:
    return CUT_SHORT.get(ending.finish_reason or "") or (NO_END_SIGN if ending.is_unsaid else None)


def _count(
    running: ActiveAttempt, encoded: bytes, thoughts: bytes, tokenizers: Tokenizers
) -> tuple[TokenCount, TokenCount | None]:
    """The tokens of a text, and of the reasoning if there is any."""
    model = running.job.model
    reasoning = tokenizers.count_text(model, thoughts.decode()) if thoughts else None
    return tokenizers.count_text(model, encoded.decode()), reasoning


def _cost(
    running: ActiveAttempt, outcome: StreamEnd, usages: Sequence[Usage | None], price: Price | None
) -> Cost | None:
    """Of all its requests. None when it is unknown: no price, or nobody counted what the upstream did before it was
    cut.
    """
    if usages and usages[-1] is None and (running.sent is None or _is_refusal(outcome)):
        usages = usages[:-1]  # the last request cost nothing
    nanos = 0
    for usage in usages:
        cost = cost_of(usage, price)
        if cost is None:
            return None
        nanos += cost.nanos
    return Cost(nanos, price.currency if price else None)


def _is_refusal(outcome: StreamEnd) -> bool:
    """Whether the upstream did not begin: it was not reached, or took no such request. A gateway's 500, 502 or 504 says
    nothing of that.
    """
    if not isinstance(outcome, UpstreamError):
        return False
    status = outcome.status or 0
    return isinstance(outcome, Unreachable) or (400 <= status < 500 and status != 408) or status in (503, 529)


def measure_segment(running: ActiveAttempt, ending: Ending, tokenizers: Tokenizers) -> Segment:
    """What the request that has just ended wrote, of a text that goes on."""
    if ending.usage is not None:  # nothing has to be counted
        return _segment(running, ending, _reported(ending.usage))
    counted = _count(running, *_written(running), tokenizers)
    return _segment(running, ending, _usage(running, ending, *counted, tokenizers))


def _written(running: ActiveAttempt) -> tuple[bytes, bytes]:
    """The text and the reasoning so far."""
    recording = running.recording
    return (bytes(recording.text), bytes(recording.reasoning)) if recording else (b"", b"")


def _segment(running: ActiveAttempt, ending: Ending | None, usage: Usage | None) -> Segment:
    offset = len(running.text.encode())
    length = len(running.recording.text) if running.recording else 0
    reason = ending.finish_reason if ending is not None else None
    cut, doubtful = (running.seam.cut, running.seam.is_doubtful) if running.seam is not None else ("", False)
    return Segment(running.attempt, offset, length - offset, running.claimed.upstream, reason, usage, cut, doubtful)


def _worth_storing(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Those that wrote something, if they are several: a text that one request wrote has none."""
    wrote = tuple(segment for segment in segments if segment.bytes)
    return wrote if len(segments) > 1 else ()


def _reported(usage: ReportedUsage) -> Usage:
    return Usage(**asdict(usage), source="upstream")


def _usage(
    running: ActiveAttempt,
    ending: Ending | None,
    counted: TokenCount,
    reasoning: TokenCount | None,
    tokenizers: Tokenizers,
) -> Usage | None:
    """The upstream's own count when it sent one, else ours. None when nothing came: what it cost is unknown."""
    if ending is not None and ending.usage is not None:
        return _reported(ending.usage)
    called = calls_as_text(ending.message if ending is not None else None)
    if not (running.has_new or called):
        return None
    thought = reasoning.tokens if reasoning else 0
    if thought and running.reasoning:  # what was continued was paid for before, and is not sent again
        thought = max(0, thought - tokenizers.count_text(running.job.model, running.reasoning).tokens)
    request = running.request
    if running.seam is not None:  # paid for, although it is not in the text
        left_out = tokenizers.count_text(running.job.model, running.seam.left_out)
        counted = counted._replace(tokens=counted.tokens + left_out.tokens)
    if called:  # as JSON, which is not how the model wrote it
        calls = tokenizers.count_text(running.job.model, called).tokens
        counted = counted._replace(tokens=counted.tokens + calls, source="estimate")
    return count_usage(running.job.model, request, counted, running.text_tokens, tokenizers, thought)


def count_usage(
    model: str,
    request: Mapping[str, Any],
    counted: TokenCount,
    text_tokens: int,
    tokenizers: Tokenizers,
    reasoning_tokens: int = 0,
) -> Usage:
    """Our own count of what a cut attempt cost. Of the `counted` tokens, `text_tokens` were continued from earlier
    attempts and belong to the prompt; `reasoning_tokens` were written beside them.
    """
    prompt = tokenizers.count_messages(model, request.get("messages", []))
    sure = counted.source == prompt.source == "tokenizer"
    # Continued text was paid for when it was first written; now it is part of the prompt.
    asked, written = prompt.tokens + text_tokens, max(0, counted.tokens - text_tokens) + reasoning_tokens
    return Usage(
        asked, None, written, reasoning_tokens or None, asked + written, source="tokenizer" if sure else "estimate"
    )
