"""Texts that go on at the token limit, watched, while their workers are killed."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

from jobs.model.segments import load_segments
from jobs.model.status import DOUBTFUL_SEAM, JobStatus
from jobs.tables import attempts, jobs
from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from longhand.simulator.provider import Provider
from tests.chaos.invariants import article, check, text_of
from tests.chaos.stack import QUICK, Stack

ARTICLES, TOKENS, MOST_TOKENS = 50, 3000, 500
ORDERS = {"length": TOKENS, "deltas_per_second": 150, "first_delta_seconds": 0.05}
MOST_CALLS = ARTICLES * (TOKENS // MOST_TOKENS + 1)


@contextmanager
def capped(*, sloppy: bool) -> Iterator[ServedSimulator]:
    """A provider whose answers end at the token limit; `sloppy`: it greets, repeats and reopens fences."""
    provider = Provider(max_output_tokens=MOST_TOKENS, sloppy_continuations=sloppy)
    with serve_in_thread(Pace(), provider) as served:
        yield served


@pytest.mark.parametrize("form", ["assistant", "none"])
def test_50_articles_past_the_token_limit_are_whole_over_two_kills(stack: Stack, form: str) -> None:
    """In the prefix form each stored text is the uncapped one. In a new message, which a sloppy model answers, nearly
    all are: one of 500 such seams is not, and says that it is in doubt.
    """
    settings = {**QUICK, "LONGHAND_STREAMS": "25", "LONGHAND_UPSTREAM_PREFIX": form}
    with capped(sloppy=form == "none") as upstream:
        stack.upstream_url = upstream.url
        stack.start_api()
        first, second = stack.start_worker(**settings), stack.start_worker(**settings)
        requests = [article(number, deltas=1, per_second=1) for number in range(ARTICLES)]
        requests = [{**request, "max_tokens": None, "simulate": ORDERS} for request in requests]
        ids = stack.submit(requests, on_length="continue", max_continuations=20)
        watchers = stack.watch(ids)
        for watcher in watchers:
            watcher.wait_for_bytes(3500)
        assert count_of_parts(stack) >= ARTICLES  # the kills hit later parts
        first.kill()
        stack.start_worker(**settings)
        stack.wait_rescued(first, 45)
        for watcher in watchers:
            watcher.wait_for_bytes(6500)
        second.kill()
        stack.start_worker(**settings)
        stack.wait_final(240)
        unequal = 4 if form == "none" else 0
        tally = check(stack, upstream, watchers=watchers, most_calls=MOST_CALLS + 100, most_unequal=unequal)
        texts = {job_id: (stack.text(job_id), text_of(request)) for job_id, request in zip(ids, requests, strict=True)}
        in_doubt = jobs_in_doubt(stack)
    wrong = [differing_sentences(*both) for both in texts.values() if not has_all_sentences(*both)]
    assert wrong == []
    assert {job_id for job_id, (stored, written) in texts.items() if stored != written} <= in_doubt
    assert form == "none" or not in_doubt
    assert tally.statuses == {JobStatus.COMPLETED: ARTICLES}
    assert (tally.resets, tally.failed) == (0, 0)
    assert tally.lost >= 10  # the kills hit streams; how many is a matter of pace
    print(f"{tally.calls} calls, {tally.lost} attempts lost, {count_of_parts(stack)} attempts with several parts")


def count_of_parts(stack: Stack) -> int:
    """How many attempts have written a text of more than one request."""
    with stack.database.read() as connection:
        stored = connection.scalars(select(attempts.c.segments).where(attempts.c.segments.is_not(None)))
        assert all(load_segments(one) for one in stored)
        return connection.scalar(select(func.count()).where(attempts.c.segments.is_not(None))) or 0


def jobs_in_doubt(stack: Stack) -> set[str]:
    with stack.database.read() as connection:
        return set(connection.scalars(select(jobs.c.id).where(jobs.c.incomplete == DOUBTFUL_SEAM)))


def has_all_sentences(stored: str, written: str) -> bool:
    """Whether the text has each sentence as often as it was written: at most one differs, where a seam is."""
    found, expected = (Counter(sentences(text)) for text in (stored, written))
    return found == expected or (found.total() == expected.total() and (expected - found).total() <= 1)


def differing_sentences(stored: str, written: str) -> tuple[list[str], list[str]]:
    """Those that are too many, and those that are missing."""
    found, expected = (Counter(sentences(text)) for text in (stored, written))
    return list((found - expected).elements()), list((expected - found).elements())


def sentences(text: str) -> list[str]:
    """Those with a letter: a full stop that a seam has doubled is none."""
    parts = (" ".join(one.split()) for one in re.split(r"(?<=[.!?。！？])\s*|\n+", text))
    return [one for one in parts if any(map(str.isalpha, one))]
