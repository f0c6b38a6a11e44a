"""Draws mixes. A number gives the same mix each time."""

import random
from dataclasses import replace

from tests.fairness.mixes import Member, Mix, Outage, Upstream
from tests.fairness.owed import rates

MOST_TEXTS = 800
"""So many texts does a mix have, about: more take too long to play."""


MOST_MODELS = 10
"""Of a project where there are several upstreams: a round looks at each model for each of these."""


def random_mix(seed: int) -> Mix:
    dice = random.Random(seed)
    streams = dice.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
    many = dice.randint(2, 6)
    base = 10 ** dice.uniform(-0.7, 1.6)
    members = tuple(_random_member(dice, base) for _ in range(many))
    if all(one.a_second is not None for one in members):
        members = (replace(members[0], a_second=None), *members[1:])
    mix = Mix(members, _split(dice, streams), 60.0, seed=seed, turn_seconds=dice.choice([0.001, 0.003, 0.02]))
    if dice.random() < 0.5:  # the workers have more streams than the upstream
        more = dice.choice([1, 1, 2, 5])
        workers = tuple(more * each for each in mix.workers)
        mix = replace(mix, workers=workers, upstreams=(Upstream(max_streams=streams),))
    if dice.random() < 0.35 and streams >= 4:  # of fewer, some are free until the next request may go
        mix = _limit(mix, requests_per_minute=_scarce(dice, mix, 1))
    if dice.random() < 0.3:
        mix = _limit(mix, tokens_per_minute=_scarce(dice, mix, 2))
    others = random.Random(-1 - seed)  # so that each seed has the projects that it always had
    mix = _within_budget(_refuse(others, _widen(others, mix)))
    mix = _steady(dice, mix)
    if dice.random() < 0.25:
        at = tuple(sorted(dice.uniform(0.0, mix.seconds) for _ in range(dice.randint(1, 3))))
        mix = replace(mix, restarts=at)
    return _break_off(others, mix)


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
    return _cut(dice, streams, count)


def _cut(dice: random.Random, streams: int, count: int) -> tuple[int, ...]:
    cuts = sorted(dice.sample(range(1, streams), count - 1))
    return tuple(b - a for a, b in zip([0, *cuts], [*cuts, streams], strict=True))


def _limit(mix: Mix, **limits: float) -> Mix:
    return replace(mix, upstreams=(replace(mix.upstreams[0], **limits),))  # type: ignore[arg-type]


def _scarce(dice: random.Random, mix: Mix, kind: int) -> float:
    """A limit that is about as scarce as streams are."""
    used = 60 * sum(rate * one.needs[kind] for rate, one in zip(rates(mix), mix.members, strict=True))
    return max(6.0 if kind == 1 else 2000.0, round(used * 10 ** dice.uniform(-0.9, 0.5)))


def _widen(dice: random.Random, mix: Mix) -> Mix:
    """Several upstreams, of which some projects may use a part."""
    only, count = mix.upstreams[0], dice.choice([1, 1, 2, 2, 3])
    if count == 1 or only.requests_per_minute or only.tokens_per_minute or mix.streams < count:
        return mix
    upstreams = tuple(Upstream(max_streams=streams) for streams in _cut(dice, mix.streams, count))
    members = tuple(
        replace(one, models=min(one.models, MOST_MODELS), upstreams=_some(dice, count)) for one in mix.members
    )
    return replace(mix, members=members, upstreams=upstreams)


def _some(dice: random.Random, count: int) -> tuple[int, ...]:
    return tuple(sorted(dice.sample(range(count), dice.randint(1, count))))


def _refuse(dice: random.Random, mix: Mix) -> Mix:
    """429s: for one project, whose models nobody else uses, or for all that is more than the upstream takes."""
    kind, retry_after = dice.random(), dice.choice([None, 1.0, 20.0])
    alone = [place for place, one in enumerate(mix.members) if not one.uses_common]
    if kind < 0.25 and alone and len(mix.members) > 1:
        place = dice.choice(alone)
        refused = replace(mix.members[place], refused=dice.choice([0.1, 0.3]), retry_after=retry_after, a_second=None)
        return replace(mix, members=(*mix.members[:place], refused, *mix.members[place + 1 :]))
    if 0.25 <= kind < 0.4 and mix.upstreams == (Upstream(),):
        members = tuple(replace(one, models=0) for one in mix.members)
        workers = tuple(2 * each for each in mix.workers)
        return replace(
            mix, members=members, workers=workers, upstreams=(Upstream(takes=mix.streams, retry_after=retry_after),)
        )
    return mix


def _within_budget(mix: Mix) -> Mix:
    """So long that each project has ten texts of its own and the longest are six, with not too many texts in all."""
    while True:
        found = rates(mix)
        slowest = max(10 / rate for rate in found)
        seconds = max(60.0, 8 * mix.longest, min(slowest, 600.0)) + mix.begins()
        asked = [rate * one.needs[1] for rate, one in zip(found, mix.members, strict=True)]
        if seconds * sum(asked) <= MOST_TEXTS:
            return replace(mix, seconds=round(seconds))
        quick = asked.index(max(asked))
        member = mix.members[quick]
        slower = replace(member, seconds=round(member.seconds * 1.5, 2), parts=max(1, member.parts // 2))
        if slower.seconds > mix.longest:  # all are as long as the longest: fewer streams
            if mix.streams <= max(len(mix.workers), len(mix.upstreams)):
                return replace(mix, seconds=round(max(mix.begins() + 30.0, MOST_TEXTS / max(sum(asked), 0.01))))
            mix = _halved(mix)
            continue
        mix = replace(mix, members=(*mix.members[:quick], slower, *mix.members[quick + 1 :]))


def _halved(mix: Mix) -> Mix:
    def half(streams: int) -> int:
        return max(1, streams // 2)

    upstreams = tuple(
        replace(one, max_streams=one.max_streams and half(one.max_streams), takes=one.takes and half(one.takes))
        for one in mix.upstreams
    )
    return replace(mix, workers=tuple(map(half, mix.workers)), upstreams=upstreams)


def _steady(dice: random.Random, mix: Mix) -> Mix:
    """Those that come steadily need a part of their share, or a little more than that."""
    all_due = replace(mix, members=tuple(replace(one, a_second=None) for one in mix.members))
    members = tuple(
        one if one.a_second is None else replace(one, a_second=max(0.001, rate * dice.choice([0.1, 0.5, 0.8, 1.2])))
        for one, rate in zip(mix.members, rates(all_due), strict=True)
    )
    return replace(mix, members=members)


def _break_off(dice: random.Random, mix: Mix) -> Mix:
    """One of the upstreams is away for a while."""
    if dice.random() >= (0.15 if len(mix.upstreams) == 1 else 0.5):
        return mix
    begins = dice.uniform(0.0, 0.6) * mix.seconds
    seconds = min(dice.choice([3.0, 15.0, 60.0]), mix.seconds / 4)
    return replace(mix, outages=(Outage(dice.randrange(len(mix.upstreams)), begins, seconds),))
