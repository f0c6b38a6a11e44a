"""What becomes of the requests of a play: texts, failures, refusals, outages."""

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from jobs.dispatch.part_queues import WaitingPart
from jobs.dispatch.upstream_holds import end_probe_now
from jobs.lifecycle import transitions
from jobs.settings import Settings
from tests.fairness.running import Text
from tests.store.store_fixtures import USAGE, written
from worker.active_attempts import ActiveAttempt, ActiveAttempts
from worker.attempt import LOOK_SECONDS
from worker.failed_attempts import FailedAttempts
from worker.reports import Sent
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import ConnectFailed, CutMidStream, RateLimited, Rejected, ServerError, UpstreamError

if TYPE_CHECKING:
    from tests.fairness.playing import Play

FAILS_AFTER = 0.05


class Sending:
    def __init__(self, play: "Play") -> None:
        self._play = play
        self._failed = FailedAttempts(play.database, ActiveAttempts(), Settings(), lambda _: None)

    def send(self, text: Text) -> None:
        play = self._play
        if text.worker.is_dead or play.texts.get(text.claimed.job.id) is not text:
            return
        member = play.mix.members[text.member]
        tokens = text.large_tokens or member.prompt + member.output
        sent = text.sent = text.worker.reporter.send(text.claimed, text.used, None if text.part == 1 else tokens)
        error = self._error_of(text)
        play.log.requested[text.member].append((play.now, tokens if error is None else 0))
        if error is not None:
            play.at(play.now + FAILS_AFTER, partial(self._fail, text, sent, error))
            return
        spread = 1.0 + play.dice.uniform(-member.spread, member.spread)
        takes = max(0.02, spread * member.seconds / member.parts)
        if text.part == 1 and play.dice.random() < member.cancels:
            play.at(play.now + takes * member.parts / 2, partial(self._cancel, text, sent))
        play.at(play.now + min(FAILS_AFTER, takes / 2), partial(self._accept, text, sent))
        play.at(play.now + takes, partial(self._end, text, sent))

    def break_off(self, upstream: int) -> None:
        """It is away from now on, and all its streams break off."""
        play = self._play
        for text in [text for text in play.texts.values() if text.upstream == upstream and text.sent is not None]:
            if text.sent is not None and self._is_live(text, text.sent):
                kind = CutMidStream if text.sent.accepted_at is not None else ConnectFailed
                self._fail(text, text.sent, kind("it is away"))

    def _error_of(self, text: Text) -> UpstreamError | None:
        play, place = self._play, text.upstream
        member, upstream = play.mix.members[text.member], play.mix.upstreams[place]
        if any(one.upstream == place and one.begins <= play.now < one.ends for one in play.mix.outages):
            return ConnectFailed("it is away")
        roll = play.dice.random()
        in_flight = sum(other.upstream == place and other.sent is not None for other in play.texts.values())
        if upstream.takes is not None and in_flight > upstream.takes:
            return RateLimited("too many", status=429, retry_after_seconds=upstream.retry_after)
        if text.part > 1 or roll >= member.fails + member.retries + member.refused:
            return None
        if roll < member.fails:
            return Rejected("no", status=400)
        if roll < member.fails + member.retries:
            return ServerError("no", status=500)
        return RateLimited("too many", status=429, retry_after_seconds=member.retry_after)

    def _is_live(self, text: Text, sent: Sent) -> bool:
        is_here = self._play.texts.get(text.claimed.job.id) is text
        return is_here and not text.worker.is_dead and text.sent is sent

    def _accept(self, text: Text, sent: Sent) -> None:
        if self._is_live(text, sent):
            sent.accept()
            sent_at = (sent.sent_at - self._play.start).total_seconds()
            self._play.log.accept(self._play.mix, text.upstream, sent_at, self._play.now)

    def _end(self, text: Text, sent: Sent) -> None:
        if not self._is_live(text, sent):
            return
        member = self._play.mix.members[text.member]
        tokens = text.large_tokens or member.prompt + member.output
        usage = ReportedUsage(tokens - member.output, None, member.output, None, tokens)
        sent.close()
        sent.end(Ending("stop", usage, None, None))
        if text.part < member.parts or text.large_tokens:
            text.part += 1
            waits = ExitStack()
            part = waits.enter_context(text.worker.reporter.waiting(text.claimed, text.used, tokens))
            self._send_part(text, waits, part)
            return
        own = (self._play.database, text.claimed.job.id, text.claimed.attempt)
        assert transitions.finish(*own, written("text", usage=USAGE))
        self._play.leave(text)

    def _send_part(self, text: Text, waits: ExitStack, part: WaitingPart) -> None:
        """Once it has a place."""
        play = self._play
        if text.worker.is_dead or play.texts.get(text.claimed.job.id) is not text:
            waits.close()
            return
        place = text.worker.reporter.book(part)
        if place.is_booked:
            waits.close()
            play.at(play.now + place.seconds, partial(self.send, text))
        else:
            play.at(play.now + min(place.seconds, LOOK_SECONDS), partial(self._send_part, text, waits, part))

    def _fail(self, text: Text, sent: Sent, error: UpstreamError) -> None:
        if not self._is_live(text, sent):
            return
        sent.close()
        self._play.log.failed[error.code] += 1
        running = ActiveAttempt(text.claimed)
        running.sent = sent
        _, _, is_stored = self._failed.store(running, error, written())
        assert is_stored
        sent.end(error)
        self._end_probe(text, sent)
        self._play.leave(text)

    def _cancel(self, text: Text, sent: Sent) -> None:
        if not self._is_live(text, sent):
            return
        sent.close()
        sent.end(None)
        self._end_probe(text, sent)
        own = (self._play.database, text.claimed.job.id, text.claimed.attempt)
        assert transitions.cancel_running(*own, written())
        self._play.leave(text)

    def _end_probe(self, text: Text, sent: Sent) -> None:
        if sent.probes:
            end_probe_now(self._play.database, text.claimed.upstream, text.claimed.job.id)
