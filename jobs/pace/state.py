"""What a lane remembers between two turns."""

from dataclasses import replace
from datetime import datetime

import msgspec

from jobs.pace.others_first import SLOW_REQUESTS, SLOW_SECONDS, OthersFirst
from jobs.pace.rate import Rate
from jobs.pace.reports import Accepted, Observed, Refused, Report, Unplanned, Unsent
from jobs.pace.sizes import Sizes
from jobs.pace.tokens import Stated, Tokens
from jobs.pace.window import Window

STREAK = 60
TRIAL_AFTER = 3
"""After so many refusals in a row one request at a time is tried until one is accepted."""
STRAY_EVERY = 60
FIRST_PROBE = 150
"""Clean calls before the first probe."""
MUCH_LESS = 0.9
"""Below this share of what was held, much was cut."""
TRY_SECONDS, PROBE_SECONDS = 10.0, 300.0
"""After much was cut a probe comes by time: first so soon, after each that is refused twice as late, up to the second.
"""

SHORT_SECONDS = 2.0
"""What held a request back so lately is short."""

PLANNED_AHEAD = 2.0
"""The next part of a text takes its place at most so long before."""

OWED_SECONDS = 61.0
"""No place is further ahead than the slowest limit, one a minute, sets the next one. A version before gave parts of
texts places without waiting for them, and a lane stood still until all of these had passed.
"""

WRITING_SECONDS = 3.5
"""A lane that got text so lately is being written. Workers look every second, and note it again where the row's time is
older than 1.5 s (`worker/growth.py`).
"""


class State(msgspec.Struct):
    at: float
    window: Window = msgspec.field(default_factory=Window)
    rate: Rate = msgspec.field(default_factory=Rate)
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    sizes: Sizes = msgspec.field(default_factory=Sizes)
    clean: int = 0
    """Requests accepted since the last refusal."""
    probe_after: int = FIRST_PROBE
    try_seconds: float = TRY_SECONDS
    rate_before: float = 0.0
    """What was held before much was cut of it. 0: nothing was."""
    in_a_row: int = 0
    refused_at: float = 0.0
    cut_at: float = 0.0
    strays: float = 0.0
    """Refusals that nothing was cut for: each `STRAY_EVERY` accepted requests make up for one."""
    judged: tuple[float, int] | None = None
    """The refusal that is to be judged at `judge_at`: when it was sent, and how many were in flight by the rows."""
    judge_at: float = 0.0
    streak: int = 0
    """Requests accepted between it and the refusal before it."""
    judged_refusals: int = 0
    """How many were refused until then."""
    refused_project: str = ""
    """Whose they were, if all were of one project and others waited."""
    refused_before: float = 0.0
    """When the refusal before it came."""
    confirmed_at: float = 0.0
    """When the latest request was sent whose refusal was taken for everybody's."""
    others_first: OthersFirst | None = None
    """The projects that let others go first."""
    pause_after: float = 0.0
    """Until when they said to wait. The lane waits, too, unless the judgement is that only they met the limit."""
    is_stray: bool = False
    """The last judgement."""
    evidence_from: float = 0.0
    blocked: bool = False
    """Since nothing is accepted any more, the rate has been set to what was accepted in the last minute."""
    suspect: tuple[int, int] | None = None
    """In flight and accepted in a second at a refusal that may have been of either."""
    is_rate_tried: bool = False
    """The rate has been kept once to see whether it was that; versions before did not do so."""
    is_rate_guessed: bool = False
    """It is kept for that now."""
    accepted_at: float = 0.0
    paused_until: float = 0.0
    hinted_pause: float = 0.0
    rate_held_at: float = 0.0
    window_held_at: float = 0.0
    wrote_at: float = 0.0
    """When a stream got text last, as far as is known. Versions before do not keep it: then nothing is known."""
    address: str = ""
    """The mark of the address at which a request was accepted last; versions before do not keep it."""

    def advance(self, now: float) -> None:
        self.at = max(self.at, now)
        self.rate.log.advance(now if self.judged is None else min(now, self.judge_at))
        self.rate.next_slot = min(self.rate.next_slot, max(self.at, self.paused_until) + OWED_SECONDS)

    def is_waiting(self) -> bool:
        """Whether nothing may start until a refusal is judged. The first after many accepted ones holds up none."""
        return self.judged is not None and (self.streak < STREAK or self.judged_refusals > 1)

    def is_alone(self) -> bool:
        """Whether the refusal that is judged is the only one after many accepted ones."""
        return self.judged_refusals == 1 and self.streak >= STREAK

    def is_short(self, now: float) -> bool:
        """Whether there are too few requests or tokens, and not too few streams."""
        return now - max(self.rate_held_at, self.tokens.held_at) < SHORT_SECONDS

    def is_writing(self, now: float) -> bool:
        """Whether streams get text at this moment."""
        return now - self.wrote_at < WRITING_SECONDS

    def note_text(self, at: datetime | None) -> None:
        """A stream got text then; None: there is no news of that."""
        if at is not None:
            self.wrote_at = max(self.wrote_at, min(at.timestamp(), self.at))

    def note_accepted(self, at: datetime | None, address: str) -> None:
        """A request was accepted at this address; None: there is no news of that."""
        if at is not None:
            self.address = address

    def accepted(self, report: Accepted) -> None:
        """A request was accepted, and if it was sent behind a refusal, that may be of one project alone."""
        self.rate.accepted(report)
        self.accepted_at, self.blocked = max(self.accepted_at, report.sent_at), False
        if self.others_first is not None:
            self.others_first.accepted(report.sent_at, report.in_flight)

    def forget_plan(self, report: Refused, token_rate: float | None) -> None:
        """An upstream counts nothing of what it refuses."""
        self.tokens.refused(max(0, report.reserved_tokens), token_rate)
        self.rate.log.refused(report)

    def put_behind(self, report: Refused) -> None:
        """A request met a limit of its own project or job. Other projects go first; the lane keeps its pace."""
        if report.project and self.is_slow(report.sent_at):
            own = report.project, report.sent_at, report.in_flight
            self.others_first = OthersFirst.after(self.others_first, *own, is_open=False)

    def count_refusal(self, project: str) -> None:
        """One more that is to be judged."""
        is_same = not self.judged_refusals or project == self.refused_project
        self.judged_refusals, self.refused_project = self.judged_refusals + 1, project if is_same else ""

    def ask_others(self, sent_at: float, in_flight: int) -> bool:
        """A refusal of one project while others wait: let others go first. True: nothing is cut for it before one of
        them is refused, too. So much had been accepted since the latest refusal that was everybody's.
        """
        before, log, project = self.others_first, self.rate.log, self.refused_project
        is_doubt, self.others_first = False, None
        if project and self.is_slow(sent_at):
            is_again = before is not None and before.may_be_older(project, sent_at)
            is_doubt = is_again or (
                not (before is not None and before.is_open)
                and not self.is_probing()
                and log.was_accepted(in_flight, self.confirmed_at, sent_at)
            )
            after = OthersFirst.after(before, project, sent_at, in_flight, is_open=is_doubt)
            self.others_first = before if is_again else after
            for sent in [] if is_again else log.accepted_since(sent_at):
                after.accepted(sent.at, sent.in_flight)
        if is_doubt:
            self.clean, self.refused_at, self.in_a_row = self.streak, self.refused_before, 0
        else:
            self.confirmed_at = sent_at
        return is_doubt

    def behind(self, now: float) -> tuple[set[str], bool]:
        """Which projects let others go first, and whether their answer says whose limit it was."""
        refused, projects, is_open = self.others_first, set[str](), False
        if refused is not None and refused.is_behind(now):
            projects, is_open = set(refused.projects), refused.is_open
        if self.judged is not None and self.refused_project and self.is_slow(self.judged[0]):
            projects, is_open = projects | {self.refused_project}, True
        return projects, is_open

    def is_slow(self, at: float) -> bool:
        """Whether few were accepted of late."""
        return len(self.rate.log.accepted_since(at - SLOW_SECONDS)) < SLOW_REQUESTS

    def may_try_rate(self) -> bool:
        """Whether the rate was neither learned nor kept for a trial."""
        return self.rate.learned is None and not self.is_rate_tried

    def is_probing(self) -> bool:
        return self.window.growth == "probe" or self.rate.growth == "probe"


_KNOWN = msgspec.json.Decoder(State)
"""Only made, so that msgspec knows the fields of a `State` and of all in it before two threads ask for one at once. It
finds them out at the first use, and a second thread that comes meanwhile ends the process (msgspec 0.22, a segmentation
fault: 17 of 20 processes in which eight threads began together).
"""


def not_ahead(report: Report, now: float) -> Report:
    """The same report, with no time after `now`: a process's clock may be a little ahead, or may have been set back."""
    if isinstance(report, Unplanned):  # it has its place, and waits for that
        return replace(report, at=min(report.at, now + PLANNED_AHEAD))
    if isinstance(report, Observed | Unsent):
        return report if report.at <= now else replace(report, at=now)
    if report.at <= now and report.sent_at <= report.at:
        return report
    return replace(report, at=min(report.at, now), sent_at=min(report.sent_at, report.at, now))


def forget_times(old: State, now: float) -> State:
    """What is known of the lane without anything that has a time: the clock was set back."""
    window = Window(
        old.window.size,
        old.window.growth,
        old.window.plateau,
        old.window.step,
        quick=old.window.quick,
        lasts=old.window.lasts,
        ceiling=old.window.ceiling,
        before=old.window.before,
    )
    rate = Rate(
        learned=old.rate.learned,
        growth=old.rate.growth,
        plateau=old.rate.plateau,
        best=old.rate.best,
        step=old.rate.step,
        arrival=old.rate.arrival,
        ramp=old.rate.ramp,
        stated=old.rate.stated,
    )
    stated = {kind: Stated(limit.per_second) for kind, limit in old.tokens.stated.items()}
    learned = old.tokens.unstated
    tokens = Tokens(
        level=old.tokens.level,
        at=now,
        stated=stated,
        unstated=msgspec.structs.replace(learned, grown_at=0.0, since=0.0, taken=0.0),
        output_share=old.tokens.output_share,
        mean_used=old.tokens.mean_used,
        mean_estimate=old.tokens.mean_estimate,
    )
    return State(now, window, rate, tokens, old.sizes, probe_after=old.probe_after, address=old.address)
