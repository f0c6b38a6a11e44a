"""What a mix of projects is promised, and what of that a play has broken."""

from collections.abc import Iterator

from tests.fairness.mixes import Member, Mix, rates
from tests.fairness.seen import Seen

LEAST_SHARE = 0.6
"""Of its fair share does each project get at least, if it always has texts due."""

ENOUGH_TEXTS = 10
"""Of fewer, a share says nothing."""

LEAST_USED = 0.85
"""Of what is scarcest, if there are always texts due."""


def broken(mix: Mix, seen: Seen) -> list[str]:
    return [*_shares(mix, seen), *_first_starts(mix, seen), *_unused(mix, seen)]


def _shares(mix: Mix, seen: Seen) -> Iterator[str]:
    """Of the streams, requests or tokens, whichever a project needs most of, it has its weighted max-min share."""
    for place, (member, rate) in enumerate(zip(mix.members, rates(mix), strict=True)):
        texts = rate * seen.seconds
        if member.a_second is not None or texts < ENOUGH_TEXTS:
            continue
        got = max(seen.texts[place] / texts, seen.stream_seconds[place] / (texts * member.mean_seconds))
        if got < LEAST_SHARE:
            yield f"p{place} has {got:.2f} of its share"


def _first_starts(mix: Mix, seen: Seen) -> Iterator[str]:
    """Who comes new is next: behind those that are given out at that moment, and those that come new with it."""
    most = 2 * len(mix.members) + 4 * len(mix.workers) + 4
    for place, passed in enumerate(seen.passed):
        if passed > most:
            yield f"p{place} waited {seen.first[place]:.1f} s while {passed} texts of others began"


def _unused(mix: Mix, seen: Seen) -> Iterator[str]:
    """Of streams, requests or tokens one is used up, while there are always texts due."""
    if all(member.a_second is not None for member in mix.members):
        return
    used = (sum(seen.stream_seconds), sum(seen.requests), sum(seen.tokens))
    fair = [sum(rate * need for rate, need in zip(rates(mix), needs, strict=True)) for needs in _needs(mix.members)]
    shares = [have / (seen.seconds * could) for have, could in zip(used, fair, strict=True)]
    if max(shares) < LEAST_USED:
        yield f"of streams, requests and tokens only {', '.join(f'{share:.2f}' for share in shares)} were used"


def _needs(members: tuple[Member, ...]) -> tuple[list[float], list[float], list[float]]:
    return (
        [member.mean_seconds for member in members],
        [member.mean_requests for member in members],
        [member.mean_tokens for member in members],
    )
