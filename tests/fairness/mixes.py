"""Mixes of projects that share one upstream, and what each of them is owed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

MOST_TEXTS = 800
"""So many texts does a mix have, about: more take too long to play."""

MARGIN = 0.985
"""What of a limit is used (`jobs/pace/tokens.py`)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A project of a mix."""

    seconds: float
    """How long one text takes, all its parts together."""
    weight: float = 1.0
    models: int = 1
    """Its own ones; 0: that which all have in common."""
    has_common: bool = False
    """Whether it also uses the model that all have in common."""
    prompt: int = 50
    output: int = 50
    parts: int = 1
    fails: float = 0.0
    """The share of its requests that end at once, by a 400."""
    retries: float = 0.0
    """The same, by an error after which they are tried again."""
    cancels: float = 0.0
    """The share of its texts that are cancelled half-way."""
    a_second: float | None = None
    """So many texts come steadily; None: there are always some due."""
    from_second: float = 0.0
    spread: float = 0.0

    @property
    def tokens(self) -> int:
        return self.parts * (self.prompt + self.output)

    @property
    def mean_seconds(self) -> float:
        """Of a text, with those that end early."""
        ends = self.fails + self.retries
        return (1 - ends) * self.seconds * (1 - self.cancels / 2) + ends * 0.05

    @property
    def mean_tokens(self) -> float:
        return (1 - self.fails - self.retries) * self.tokens

    @property
    def mean_requests(self) -> float:
        ends = self.fails + self.retries
        return (1 - ends) * self.parts + ends


@dataclass(frozen=True, slots=True)
class Mix:
    """Projects, and an upstream with the workers that send to it."""

    members: tuple[Member, ...]
    workers: tuple[int, ...]
    """The streams of each."""
    seconds: float
    max_streams: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    restarts: tuple[float, ...] = ()
    """When a worker is killed, and another one begins in its place."""
    seed: int = 0
    turn_seconds: float = 0.002

    @property
    def streams(self) -> int:
        return min(sum(self.workers), self.max_streams or sum(self.workers))

    @property
    def longest(self) -> float:
        return max(member.seconds for member in self.members)

    def begins(self) -> float:
        """When it is measured from: by then each has had its first texts, and the pace is known."""
        return 20.0 + max(self.longest, *(member.from_second for member in self.members))


def rates(mix: Mix) -> list[float]:
    """How many texts a second of each make a fair share, weighted max-min of the largest share that a project has of
    streams, requests or tokens. Who needs less leaves the rest to the others.
    """
    limits = [float(mix.streams), _a_second(mix.requests_per_minute), _a_second(mix.tokens_per_minute)]
    needs = [(one.mean_seconds, one.mean_requests, one.mean_tokens) for one in mix.members]
    costs = [max(need / limit for need, limit in zip(each, limits, strict=True)) for each in needs]
    low, high = 0.0, 1e9
    for _ in range(200):
        level = (low + high) / 2
        found = _at(level, mix.members, costs)
        used = [sum(rate * each[kind] for rate, each in zip(found, needs, strict=True)) for kind in range(3)]
        if all(use <= limit for use, limit in zip(used, limits, strict=True)):
            low = level
        else:
            high = level
    return _at(low, mix.members, costs)


def _at(level: float, members: Sequence[Member], costs: Sequence[float]) -> list[float]:
    fair = [level * one.weight / cost for one, cost in zip(members, costs, strict=True)]
    return [min(rate, one.a_second or 1e9) for rate, one in zip(fair, members, strict=True)]


def _a_second(a_minute: float | None) -> float:
    return 1e12 if a_minute is None else a_minute / 60 * MARGIN


def random_mix(seed: int) -> Mix:
    dice = random.Random(seed)
    streams = dice.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
    many = dice.randint(2, 6)
    base = 10 ** dice.uniform(-0.7, 1.6)
    members = tuple(_random_member(dice, base) for _ in range(many))
    if all(one.a_second is not None for one in members):
        members = (replace(members[0], a_second=None), *members[1:])
    workers = _split(dice, streams)
    mix = Mix(members, workers, 60.0, seed=seed, turn_seconds=dice.choice([0.001, 0.003, 0.02]))
    kind = dice.random()
    if kind < 0.5:  # the workers have more streams than the upstream
        more = dice.choice([1, 1, 2, 5])
        mix = replace(mix, max_streams=streams, workers=tuple(more * each for each in workers))
    if dice.random() < 0.35 and streams >= 4:  # of fewer, some are free until the next request may go
        mix = replace(mix, requests_per_minute=_scarce(dice, mix, 1))
    if dice.random() < 0.3:
        mix = replace(mix, tokens_per_minute=_scarce(dice, mix, 2))
    mix = _within_budget(mix)
    mix = _steady(dice, mix)
    if dice.random() < 0.25:
        at = tuple(sorted(dice.uniform(0.0, mix.seconds) for _ in range(dice.randint(1, 3))))
        mix = replace(mix, restarts=at)
    return mix


def _random_member(dice: random.Random, base: float) -> Member:
    seconds = min(60.0, max(0.2, base * 10 ** dice.uniform(-1.3, 1.3)))
    return Member(
        seconds=round(seconds, 2),
        weight=dice.choice([1.0, 1.0, 1.0, 1.0, 2.0, 3.0]),
        models=dice.choice([0, 0, 1, 1, 2, 5, 30, 150]),
        has_common=dice.random() < 0.3,
        prompt=dice.choice([20, 50, 200, 2000]),
        output=dice.choice([20, 50, 200, 1000]),
        parts=dice.choice([1, 1, 1, 1, 3, 10]),
        fails=dice.choice([0.0, 0.0, 0.0, 0.0, 0.2, 0.6]),
        retries=dice.choice([0.0, 0.0, 0.0, 0.0, 0.3]),
        cancels=dice.choice([0.0, 0.0, 0.0, 0.3]),
        a_second=dice.choice([None, None, None, 0.5]),
        from_second=dice.choice([0.0, 0.0, 0.0, 5.0, 30.0]),
        spread=dice.choice([0.0, 0.3, 0.3]),
    )


def _split(dice: random.Random, streams: int) -> tuple[int, ...]:
    count = min(streams, dice.randint(1, 3))
    cuts = sorted(dice.sample(range(1, streams), count - 1))
    return tuple(b - a for a, b in zip([0, *cuts], [*cuts, streams], strict=True))


def _scarce(dice: random.Random, mix: Mix, kind: int) -> float:
    """A limit that is about as scarce as streams are."""
    found = rates(mix)
    needs = [(one.mean_seconds, one.mean_requests, one.mean_tokens)[kind] for one in mix.members]
    used = 60 * sum(rate * need for rate, need in zip(found, needs, strict=True))
    return max(6.0 if kind == 1 else 2000.0, round(used * 10 ** dice.uniform(-0.9, 0.5)))


def _within_budget(mix: Mix) -> Mix:
    """So long that each project has ten texts of its own and the longest are six, with not too many texts in all."""
    while True:
        found = rates(mix)
        slowest = max(10 / rate for rate in found)
        seconds = max(60.0, 8 * mix.longest, min(slowest, 600.0)) + mix.begins()
        requests = sum(rate * one.mean_requests for rate, one in zip(found, mix.members, strict=True))
        if seconds * requests <= MOST_TEXTS:
            return replace(mix, seconds=round(seconds))
        quick = max(range(len(found)), key=lambda place: found[place] * mix.members[place].mean_requests)
        member = mix.members[quick]
        slower = replace(member, seconds=round(member.seconds * 1.5, 2), parts=max(1, member.parts // 2))
        if slower.seconds > mix.longest:  # all are as long as the longest: fewer streams
            if mix.streams <= len(mix.workers):
                return replace(mix, seconds=round(MOST_TEXTS / max(requests, 0.01)))
            workers = tuple(max(1, each // 2) for each in mix.workers)
            mix = replace(mix, workers=workers, max_streams=mix.max_streams and max(1, mix.max_streams // 2))
            continue
        mix = replace(mix, members=(*mix.members[:quick], slower, *mix.members[quick + 1 :]))


def _steady(dice: random.Random, mix: Mix) -> Mix:
    """Those that come steadily need a part of their share, or a little more than that."""
    all_due = replace(mix, members=tuple(replace(one, a_second=None) for one in mix.members))
    members = tuple(
        one if one.a_second is None else replace(one, a_second=max(0.001, rate * dice.choice([0.1, 0.5, 0.8, 1.2])))
        for one, rate in zip(mix.members, rates(all_due), strict=True)
    )
    return replace(mix, members=members)
