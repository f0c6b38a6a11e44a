"""Counts what lost attempts wrote, in its own thread, so that neither a rescue nor a stream waits for it."""

import random
from collections.abc import Callable
from logging import getLogger

from jobs.lifecycle.lost import LostText, list_lost_texts, read_lost_text, store_lost_count
from jobs.model.records import Usage
from jobs.model.segments import sum_usage
from jobs.pricing import cost_of
from jobs.store.database import DATABASE_ERRORS, Database
from jobs.tokens import TokenCount, Tokenizers
from jobs.upstreams import Upstreams
from worker.background_loop import BackgroundLoop
from worker.measure import count_usage

log = getLogger(__name__)


class LostCounter(BackgroundLoop):
    """Each worker process has one, and any one is enough: what it leaves when it ends, another process counts."""

    def __init__(
        self,
        database: Database,
        tokenizers: Tokenizers,
        every_seconds: float,
        upstreams: Callable[[], Upstreams] = Upstreams,
    ) -> None:
        super().__init__("count of lost attempts", every_seconds, first_wait=every_seconds)
        self._database = database
        self._tokenizers = tokenizers
        self._every_seconds = every_seconds
        self._upstreams = upstreams

    def _round(self) -> float:
        self.count_all()
        return self._every_seconds

    def count_all(self) -> None:
        """Count what is there now. A text that cannot be counted stays, is logged each time, and holds up no other."""
        waiting = list_lost_texts(self._database)
        random.shuffle(waiting)  # other processes count too, and each need not count all
        for job_id, attempt in waiting:
            if self._ended.is_set():
                return
            lost = read_lost_text(self._database, job_id, attempt)
            if lost is None:
                continue
            try:
                self._count(lost)
            except DATABASE_ERRORS:
                raise
            except Exception:
                log.exception("a lost attempt cannot be counted", extra={"job_id": job_id, "attempt": attempt})

    def _count(self, lost: LostText) -> None:
        counted = self._tokenizers.count_text(lost.model, lost.text)
        thought = self._tokenizers.count_text(lost.model, lost.reasoning).tokens if lost.reasoning else None
        usage = self._usage(lost, counted, thought or 0)
        spec = self._upstreams().find(lost.upstream or "")
        cost = cost_of(usage, spec.price_of(lost.model) if spec else None)
        if store_lost_count(self._database, lost, usage, counted.tokens, counted.source, thought, cost):
            log.info("count: %d tokens", counted.tokens, extra={"job_id": lost.job_id, "attempt": lost.attempt})

    def _usage(self, lost: LostText, counted: TokenCount, thought: int) -> Usage | None:
        """What its whole requests told, and our count of the last one. None when nothing of the text is the attempt's
        own: what it cost is unknown.
        """
        parts = [part for part in lost.segments if part.attempt == lost.attempt and part.usage is not None]
        begun = parts[-1].end if parts else lost.continued_bytes
        return sum_usage([*(part.usage for part in parts), self._usage_from(lost, begun, counted, thought)])

    def _usage_from(self, lost: LostText, begun: int, counted: TokenCount, thought: int) -> Usage | None:
        """Our count of the request that wrote the text from this byte on."""
        whole = lost.text.encode()
        if len(whole) <= begun and (begun or not thought):
            return None
        if begun:
            thought = 0  # mostly it was carried over, with the text, from the attempt that was paid for it
        before = whole[:begun].decode()
        before_tokens = self._tokenizers.count_text(lost.model, before).tokens if before else 0
        return count_usage(lost.model, lost.request, counted, before_tokens, self._tokenizers, thought)
