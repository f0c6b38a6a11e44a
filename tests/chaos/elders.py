"""The two processes of the soak that nothing kills: an API, which strangers attack, and a worker. Their memory stays
flat, whatever is broken beside them.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.machine import resident_bytes
from tests.chaos.beside import Beside
from tests.chaos.processes import Process

MOST_GROWTH = 60_000_000
"""How much more memory, in bytes, either may have at the end than in the middle."""

_ATTACKS = ("hold=1000", "flood=10", "withhold=20", "watch=500")
_MB = 1_000_000


class Elders:
    """They, what strangers do to the API, and how much memory both have had."""

    def __init__(self, api: Process, url: str, worker: Process) -> None:
        self.attacks: Counter[str] = Counter()
        self._url = url
        self._processes = {"API": api, "worker": worker}
        self._looks: dict[str, list[int]] = {name: [] for name in self._processes}
        self._attackers: Beside | None = None
        self._next: list[str] = []

    def attack(self, chance: random.Random, job_ids: Sequence[str]) -> Callable[[], None]:
        """Have strangers of one kind attack; returns what ends them. One kind at a time: all at once would leave too
        little of the machine for the rest.
        """
        if self._attackers is not None:
            return lambda: None
        self._next = self._next or chance.sample(_ATTACKS, len(_ATTACKS))  # all kinds, also in a short soak
        order = self._next.pop()
        kind, _, _ = order.partition("=")
        if kind == "watch":
            order += ":" + ",".join(f"/v1/jobs/{job_id}/events" for job_id in job_ids)
        self._attackers = attackers = Beside("tests.chaos.strangers", self._url, order)
        self.attacks[f"attacks, {kind}"] += 1

        def end() -> None:
            self._attackers = None
            with attackers:
                self.attacks[f"connections, {kind}"] += attackers.take().get("opened", 0)

        return end

    def look(self) -> None:
        """Note how much memory each has now."""
        for name, process in self._processes.items():
            assert process.alive, f"the {name} that nothing kills is gone"
            self._looks[name].append(resident_bytes(process.pid))

    def check_memory(self) -> None:
        """Print what each had, and compare the middle with the end: the least of each time, without what an attack
        takes while it lasts.
        """
        for name, looks in self._looks.items():
            fifth = max(1, len(looks) // 5)
            first, middle, last = (min(looks[fifth * place : fifth * (place + 1)]) for place in (0, 2, 4))
            print(f"memory of the {name}: {first // _MB} MB in the first fifth, {middle // _MB} in the middle one,"
                  f" {last // _MB} in the last; at most {max(looks) // _MB}")  # fmt: skip
            assert last - middle < MOST_GROWTH, f"the {name} grows"
