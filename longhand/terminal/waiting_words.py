"""Why work waits, and what to do about it, in one sentence for a terminal. Why a job waits, the API says in words."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from longhand.client.objects import Hold, Job, Json
from longhand.terminal.cells import plain

LANES = {
    "max_streams": "as many streams run there as its max_streams allows; raise it in the upstreams file to run more",
    "window": "as many streams run there as it can take so far; wait, Longhand tries more as it keeps up",
    "requests": "it allows no more requests for the moment; wait, or raise its requests_per_minute",
    "tokens": "it allows no more tokens for the moment; wait, or raise its tokens_per_minute",
    "retry_after": "it refused a request as one too many; wait, the next one is sent by itself",
}
"""What an upstream's `limited_by` means."""

_HOLDS = {
    "paused": ("is paused", ""),
    "credit": ("is out of credit", "pay, then "),
    "key": ("refuses its API key", "check the key, then "),
    "limit": ("has refused every request for minutes", "check its plan, quota and limits per day, then "),
    "away": ("fails or cannot be reached", "check that its server runs, then "),
}
"""By the reason of a hold: what is so, and what a person does before lifting it."""


def hold_sentence(hold: Hold | Json) -> str:
    """What is held and why, since when, and what to do."""
    what = "the batch" if hold["kind"] == "batch" else f"the {hold['kind']} {hold['target']}"
    is_so, first = _HOLDS.get(hold["reason"], ("is held", ""))
    if hold["reason"] == "away" and hold.get("url"):
        first = f"check that the server at {hold['url']} runs, then "
    then = (
        f"{first}run: longhand resume {hold_arguments(hold)}" if hold.get("may_resume", True) else _for_operators(hold)
    )
    by_itself = f"; it is tried by itself at {_moment(hold['probe_at'])}" if hold["probe_at"] is not None else ""
    message = plain(hold["message"])
    by_person = f" ({message})" if hold["held_by"] == "person" and message != f"the {hold['kind']} was paused" else ""
    return f"{what} {is_so} since {_moment(hold['since'])}{by_person}, so no new job starts{by_itself}; {then}"


def hold_arguments(held: Hold | Json) -> str:
    """What `longhand resume` takes to lift a hold."""
    return str(held["target"]) if held["kind"] == "batch" else f"--{held['kind']} {held['target']}"


def waits_sentence(job: Job | Json) -> str:
    """Why a queued job waits; empty where nothing is said of it."""
    if hold := job.get("hold"):
        return hold_sentence(hold)
    message, until = job.get("limited_by_message") or "", job.get("limited_until")
    return f"{message}, until {_moment(until)}" if message and until is not None else message


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
        yield f"{count} queued job{'s wait' if count > 1 else ' waits'}: {sentences[key]}"


def _for_operators(hold: Hold | Json) -> str:
    return "an operator can resume it" if hold["reason"] == "paused" else "an operator has to see to it"


def _moment(seconds: float) -> str:
    """A time of day, with its date when that is not today's."""
    at, now = datetime.fromtimestamp(seconds).astimezone(), datetime.now().astimezone()
    is_near = at.date() == now.date() or abs(at - now) < timedelta(hours=1)
    return at.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M:%S")
