"""What a mix of projects is promised, and what of that a play has broken."""

from collections.abc import Iterator

from tests.fairness.mixes import Mix
from tests.fairness.owed import owed
from tests.fairness.seen import Seen

LEAST_SHARE = 0.6
"""Of its fair share does each project get at least, if it always has texts due."""

ENOUGH_TEXTS = 10
"""Of fewer, a share says nothing."""

LEAST_USED = 0.85
"""Of what is scarcest, if there are always texts due."""

LEAST_LEARNED = 0.6
"""The same where nobody has declared what the upstream takes."""

BACK_SECONDS = 5.0


def broken(mix: Mix, seen: Seen) -> list[str]:
    return [*_shares(mix, seen), *_first_starts(mix, seen), *_unused(mix, seen), *_back(mix, seen)]


def shares(mix: Mix, seen: Seen) -> list[tuple[float, float]]:
    """What of its fair share each project had, and how many texts that share is.

    What it had before it is measured, and more than was its share then, it has had: by texts that were long, or of
    which nobody knew yet how long they are. Then the others are next, until they have had as much.
    """
    since, until = mix.begins(), mix.seconds
    before, after = owed(mix, seen.losses, 0.0, since), owed(mix, seen.losses, since, until)
    found = []
    for place, member in enumerate(mix.members):
        early, late = seen.used(place, 0.0, since), seen.used(place, since, until)
        had = [
            (now + max(0.0, then - then_owed)) / max(now_owed, 1e-9)
            for then, then_owed, now, now_owed in zip(early, before[place], late, after[place], strict=True)
        ]
        found.append((max(had), after[place][0] / member.needs[0]))
    return found


def _shares(mix: Mix, seen: Seen) -> Iterator[str]:
    """Of the streams, requests or tokens, whichever a project needs most of, it has its weighted max-min share."""
    learned = min(1.0, used(mix, seen)) if _is_learned(mix) else 1.0
    for place, (got, texts) in enumerate(shares(mix, seen)):
        if mix.members[place].always_has_texts and texts >= ENOUGH_TEXTS and got < LEAST_SHARE * learned:
            yield f"p{place} has {got:.2f} of its share"


def _first_starts(mix: Mix, seen: Seen) -> Iterator[str]:
    """Who comes new is next: behind those that are given out at that moment, and those that come new with it. Not while
    an upstream is away that it may use: meanwhile texts of others begin elsewhere.
    """
    most = 2 * len(mix.members) + 4 * len(mix.workers) + 4
    for place, (member, passed, waited) in enumerate(zip(mix.members, seen.passed, seen.waited, strict=True)):
        began = member.from_second + waited
        away = [one for one in mix.outages if one.upstream in mix.usable(member) and one.begins <= began]
        is_away = any(seen.back.get(one, mix.seconds) >= member.from_second for one in away)
        if passed > most and not is_away:
            yield f"p{place} waited {waited:.1f} s while {passed} texts of others began"


def used(mix: Mix, seen: Seen) -> float:
    """What of the scarcest of streams, requests and tokens was used."""
    since, until = mix.begins(), mix.seconds
    could = owed(mix, seen.losses, since, until)
    had = [seen.used(place, since, until) for place in range(len(mix.members))]
    return max(sum(one[kind] for one in had) / max(1e-9, sum(one[kind] for one in could)) for kind in range(3))


def _unused(mix: Mix, seen: Seen) -> Iterator[str]:
    """Of streams, requests or tokens one is used up, while there are always texts due."""
    least = LEAST_LEARNED if _is_learned(mix) else LEAST_USED
    if any(member.always_has_texts for member in mix.members) and (share := used(mix, seen)) < least:
        yield f"of streams, requests and tokens only {share:.2f} were used"


def _back(mix: Mix, seen: Seen) -> Iterator[str]:
    """An upstream that was away is used again soon: it is probed at growing times, at the latest after as long again as
    it was away. One that broke texts off must write one first that is longer, or whole.
    """
    for outage in mix.outages:
        latest = outage.ends + outage.seconds + BACK_SECONDS + mix.longest
        if (back := seen.back.get(outage, mix.seconds)) > latest:
            yield f"the upstream {outage.upstream} is well from {outage.ends:.1f} s on, and used from {back:.1f} s on"


def _is_learned(mix: Mix) -> bool:
    return any(one.takes is not None for one in mix.upstreams)
