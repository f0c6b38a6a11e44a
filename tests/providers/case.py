"""What a case is: what the upstream sends, and the right value of each reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.upstream.scripted_upstream import Cut, Step, head, http_chunk
from worker.upstream.errors import Cause

QUIET_SECONDS = 0.05
"""The clock of these cases for what may still come after a finish_reason; the default is seconds."""


@dataclass(frozen=True)
class Seen:
    """Go on when the reader was given this text: no sleep can be too short."""

    text: str


CaseStep = Step | Seen
CaseScript = tuple[CaseStep, ...]


@dataclass(frozen=True)
class Whole:
    """The reading gives a whole text."""

    text: str
    finish_reason: str | None = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    """Token counts are judged only if one of them is given."""
    message: Mapping[str, object] = field(default_factory=dict)
    """What `Ending.message` must hold, beside anything else."""
    is_unsaid: bool = False
    """Nobody said that it is whole."""


@dataclass(frozen=True)
class Fails:
    """The reading ends in an error."""

    code: str | tuple[str, ...]
    """The error's code, or one of several that mean the same to the job."""
    cause: Cause | None = Cause.JOB
    """None: not judged, because the upstream's words leave it open."""
    retryable: bool = True
    says: tuple[str, ...] = ()
    """Words that the error's message must hold."""
    wait: tuple[float, float] | None = None
    """Between which numbers of seconds the asked wait lies; None: no wait is asked."""
    given: str = ""
    """The text that was given before, which is kept."""


@dataclass(frozen=True)
class Asked:
    """What one request must have been like."""

    has: Mapping[str, object] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Right = Whole | Fails


@dataclass(frozen=True)
class Case:
    """One way to answer. The n-th call plays the n-th script, later ones the last; each reading has its own right."""

    name: str
    kind: str
    source: str
    scripts: tuple[CaseScript, ...]
    rights: tuple[Right, ...]
    calls: int | None = None
    """How many requests there must have been; None: one for each reading."""
    asked: tuple[Asked, ...] = ()
    body: Mapping[str, object] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    """The model of each reading, where they differ."""
    clocks: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `Upstream`."""


def case(kind: str, name: str, source: str, script: CaseScript | bytes, right: Right, **more: Any) -> Case:
    """A case of one reading, answered in one way."""
    return Case(name, kind, source, (script if isinstance(script, tuple) else (script,),), (right,), **more)


def stream(*events: bytes) -> CaseScript:
    """An event stream that ends cleanly: each event is one HTTP chunk, and the last chunk says that it is the last."""
    return (head(transfer_encoding="chunked"), *(http_chunk(each) for each in events), http_chunk(b""))


def cut_stream(*events: bytes) -> CaseScript:
    """An event stream whose connection breaks after these events."""
    return (head(transfer_encoding="chunked"), *(http_chunk(each) for each in events), Cut())


def open_stream(*steps: bytes | CaseStep) -> CaseScript:
    """An event stream that nobody ends: what a test adds to it does."""
    return (
        head(transfer_encoding="chunked"),
        *(http_chunk(step) if isinstance(step, bytes) else step for step in steps),
    )


def answer(status: int, body: object, content_type: str = "application/json", **headers: str) -> CaseScript:
    """An answer in one piece: `body` as JSON, or as it is when it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return (head(status, content_type, content_length=str(len(content)), **headers), content)


def data(payload: object) -> bytes:
    """One event that holds `payload` as JSON, its characters not escaped."""
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"


def usage(prompt: int | None, completion: int | None, **more: object) -> dict[str, object]:
    """A usage object as OpenAI sends it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": (prompt or 0) + (completion or 0),
        **more,
    }
