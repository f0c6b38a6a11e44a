"""What each project of a mix is owed: a weighted max-min share of what its upstreams could take at each moment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, combinations, pairwise

from tests.fairness.mixes import Member, Mix

MARGIN = 0.985
"""What of a limit is used (`jobs/pace/tokens.py`)."""

Streams = tuple[float, ...]
"""How many each upstream takes."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Streams that an upstream could not give to anybody for a while: it was away, or dead workers had them."""

    upstream: int
    since: float
    until: float
    streams: float = float("inf")


def owed(mix: Mix, losses: Sequence[Loss], since: float, until: float) -> list[list[float]]:
    """The seconds of streams, the requests and the tokens of each project in this time."""
    shares = [[0.0, 0.0, 0.0] for _ in mix.members]
    for begin, end in _periods(mix, losses, since, until):
        streams = tuple(_left(mix, losses, place, begin) for place in range(len(mix.upstreams)))
        absent = frozenset(place for place, one in enumerate(mix.members) if one.from_second > begin)
        for share, rate, member in zip(shares, fair(mix, streams, absent), mix.members, strict=True):
            for kind, need in enumerate(member.needs):
                share[kind] += rate * need * (end - begin)
    return shares


def _periods(mix: Mix, losses: Sequence[Loss], since: float, until: float) -> Iterator[tuple[float, float]]:
    changes = {since, until, *(one.from_second for one in mix.members)}
    changes |= {at for loss in losses for at in (loss.since, loss.until)}
    return pairwise(sorted(at for at in changes if since <= at <= until))


def _left(mix: Mix, losses: Sequence[Loss], place: int, at: float) -> float:
    lost = sum(loss.streams for loss in losses if loss.upstream == place and loss.since <= at < loss.until)
    return max(0.0, mix.streams_of(place) - lost) if lost < float("inf") else 0.0


@cache
def fair(mix: Mix, streams: Streams, absent: frozenset[int]) -> tuple[float, ...]:
    """How many texts a second each is owed. Those who use an upstream share it, whatever else they have. Where
    the workers have fewer streams than all upstreams take, it is these that are shared. With as many, each has what it
    is owed by both.
    """
    of_all, workers = rates(mix, streams, absent), sum(mix.workers)
    if len(streams) == 1 or workers < sum(streams):
        return of_all
    of_each = _of_each(mix, streams, absent)
    return of_each if workers > sum(streams) else tuple(map(min, of_all, of_each))


def _of_each(mix: Mix, streams: Streams, absent: frozenset[int]) -> tuple[float, ...]:
    """What they have if each upstream is shared apart."""
    sums = [0.0] * len(mix.members)
    for place, most in enumerate(streams):
        others = {number for number, one in enumerate(mix.members) if place not in mix.usable(one)}
        alone = replace(
            mix, members=tuple(replace(one, upstreams=()) for one in mix.members), upstreams=(mix.upstreams[place],)
        )
        sums = [had + more for had, more in zip(sums, rates(alone, (most,), absent | others), strict=True)]
    return tuple(min(rate, one.a_second or 1e9) for rate, one in zip(sums, mix.members, strict=True))


@cache
def rates(mix: Mix, streams: Streams = (), absent: frozenset[int] = frozenset()) -> tuple[float, ...]:
    """How many texts a second of each make a fair share, weighted max-min of the largest share that a project has of
    streams, requests or tokens. Who needs less leaves the rest to the others.
    """
    streams = streams or tuple(mix.streams_of(place) for place in range(len(mix.upstreams)))
    first = mix.upstreams[0]
    limits = [float(mix.streams), _a_second(first.requests_per_minute), _a_second(first.tokens_per_minute)]
    costs = [max(need / limit for need, limit in zip(one.needs, limits, strict=True)) for one in mix.members]
    found, level = [0.0] * len(mix.members), 0.0
    growing = set(range(len(mix.members))) - absent

    def at(level: float) -> list[float]:
        grown = list(found)
        for place in growing:
            member = mix.members[place]
            grown[place] = min(level * member.weight / costs[place], member.a_second or 1e9)
        return grown

    while growing:
        level = _highest(lambda level: _is_possible(mix, at(level), streams), level)
        found = at(level)
        more = at(level * 1.001 + 1e-9)
        full = {place for place in growing if not _is_possible(mix, _with(found, place, more[place]), streams)}
        sated = {place for place in growing if more[place] == found[place]}
        growing -= full | sated or growing
    return tuple(found)


def _highest(is_possible: Callable[[float], bool], low: float) -> float:
    high = max(1.0, 2 * low)
    while is_possible(high) and high < 1e9:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if is_possible(middle) else (low, middle)
    return low


def _with(found: Sequence[float], place: int, rate: float) -> list[float]:
    return [*found[:place], rate, *found[place + 1 :]]


def _is_possible(mix: Mix, found: Sequence[float], streams: Streams) -> bool:
    """Whether all have room: those that may use no other upstreams than some have it in these."""
    seconds, requests, tokens = (
        [rate * member.needs[kind] for rate, member in zip(found, mix.members, strict=True)] for kind in range(3)
    )
    first = mix.upstreams[0]
    if sum(requests) > _a_second(first.requests_per_minute) or sum(tokens) > _a_second(first.tokens_per_minute):
        return False
    if sum(rate * _paced(mix, member) for rate, member in zip(found, mix.members, strict=True)) > 1:
        return False
    places = range(len(mix.upstreams))
    some = map(frozenset, chain.from_iterable(combinations(places, count + 1) for count in places))
    return sum(seconds) <= sum(mix.workers) and all(
        sum(need for need, member in zip(seconds, mix.members, strict=True) if mix.usable(member) <= group)
        <= sum(streams[place] for place in group)
        for group in some
    )


def _paced(mix: Mix, member: Member) -> float:
    """For how many seconds a text keeps the next one from being sent, where requests and tokens are both limited: each
    of its requests for its place among the requests or until its tokens are there again, whichever is longer. Neither
    limit saves up for more than a second or so what the other one has kept from being used (`jobs/pace/tokens.py`).
    """
    first = mix.upstreams[0]
    place = 1 / _a_second(first.requests_per_minute)
    size = (member.prompt + member.output) / _a_second(first.tokens_per_minute)
    _, requests, _ = member.needs
    whole = requests - member.ends
    return whole * max(place, size) + member.ends * place


def _a_second(a_minute: float | None) -> float:
    return 1e12 if a_minute is None else a_minute / 60 * MARGIN
