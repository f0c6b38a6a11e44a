"""Why work waits, and what to do about it, in one sentence for a terminal. Why a job waits, the API says in words."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from longhand.client.objects import Hold, Job, Json
from longhand.terminal.cells import plain
from longhand.words.catalogue import known, t, translated

LANES = ("max_streams", "window", "requests", "tokens", "retry_after")
"""What an upstream's `limited_by` may be."""


def hold_sentence(hold: Hold | Json) -> str:
    """What is held and why, since when, and what to do."""
    kind, cause = hold["kind"], hold["reason"]
    what = t(f"hold.{kind}", name=hold["target"])
    message = plain(hold["message"])
    own = hold["held_by"] == "person" and message != f"the {kind} was paused"
    by_person = t("hold.message", message=message) if own else ""
    since = _moment(hold["since"])
    return t("hold.sentence", what=what, is_so=is_so(cause), since=since, message=by_person, then=_then(hold))


def is_so(reason: str) -> str:
    """What is so of an upstream, or of whatever is held for this reason."""
    return t(f"hold.{reason}.so" if known(f"hold.{reason}.so") else "hold.other.so")


def _then(hold: Hold | Json) -> str:
    """What a person does, and what happens by itself: what is mended goes on without a command."""
    by_itself = _probe_words(hold["probe_at"])
    step = first_step(hold["reason"], hold.get("url"))
    arguments = hold_arguments(hold)
    if not hold.get("may_resume", True):
        steps = [by_itself, t("hold.operator_resumes" if hold["reason"] == "paused" else "hold.operator_mends")]
    elif by_itself:
        steps = [step, t("hold.or_now", by_itself=by_itself, arguments=arguments)]
    else:
        steps = [step, t("hold.resume", arguments=arguments)]
    return t("join.semicolon").join(filter(None, steps))


def _probe_words(probe_at: float | None) -> str:
    """When a job is sent to see whether all is well again. A time that has passed says nothing any more."""
    if probe_at is None:
        return ""
    return t("hold.by_itself", time=_moment(probe_at)) if probe_at > time.time() else t("hold.by_itself_soon")


def first_step(reason: str, url: str | None) -> str:
    """What a person does about the cause; empty where it is not known."""
    if reason in ("away", "url") and url:
        return t(f"hold.{reason}.first_at", url=url)
    key = f"hold.{reason}.first"
    return t(key) if known(key) else ""


def hold_arguments(held: Hold | Json) -> str:
    """What `longhand resume` takes to lift a hold."""
    return str(held["target"]) if held["kind"] == "batch" else f"--{held['kind']} {held['target']}"


def waits_sentence(job: Job | Json) -> str:
    """Why a queued job waits; empty where the API does not say."""
    if hold := job.get("hold"):
        return hold_sentence(hold)
    message, until = translated(job.get("limited_by_message") or ""), job.get("limited_until")
    if not message or until is None or until <= time.time():
        return message
    return t("waits.until", why=message, time=_moment(until))


def waiting_notes(listed: Iterable[Job]) -> Iterator[str]:
    """A line for each reason, with how many of these jobs wait for it."""
    counts: dict[tuple[str, str], int] = {}
    sentences: dict[tuple[str, str], str] = {}
    for job in listed:
        sentence = waits_sentence(job)
        if sentence:
            # The times of next attempts differ from job to job; one line is enough for them.
            key = (str(job.get("limited_by")), "" if job.get("limited_by") == "retry" else sentence)
            counts[key] = counts.get(key, 0) + 1
            sentences.setdefault(key, sentence)
    for key, count in counts.items():
        yield t("waits.note", count=count, why=sentences[key])


def _moment(seconds: float) -> str:
    """A time of day, with its date when that is not today's."""
    at, now = datetime.fromtimestamp(seconds).astimezone(), datetime.now().astimezone()
    is_near = at.date() == now.date() or abs(at - now) < timedelta(hours=1)
    return at.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M:%S")
