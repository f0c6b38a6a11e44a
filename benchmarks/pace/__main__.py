"""The command line of the scenarios."""

import argparse
import sys
from collections.abc import Callable, Iterable

import benchmarks.pace
from benchmarks.machine import load_now
from benchmarks.pace.away import measure_credit, measure_outage, measure_queue, measure_three
from benchmarks.pace.fair import measure_fairness
from benchmarks.pace.figures import Row
from benchmarks.pace.limits import measure_change, measure_rate, measure_tokens
from benchmarks.results import show

SCENARIOS: dict[str, Callable[[int | None], Iterable[Row]]] = {
    "rate": measure_rate,
    "tokens": measure_tokens,
    "change": measure_change,
    "credit": measure_credit,
    "outage": measure_outage,
    "queue": measure_queue,
    "three": measure_three,
    "fairness": measure_fairness,
}


def main() -> int:
    """Measure and print; how many rows missed a bound."""
    parser = argparse.ArgumentParser(
        description=benchmarks.pace.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], help="all by default")
    parser.add_argument("--jobs", type=int, help="how many jobs, in place of the scenario's own number")
    given = parser.parse_args()
    missed = 0
    for name in given.scenario or SCENARIOS:
        print(f"load average before: {load_now()}", flush=True)
        cells = []
        for row in SCENARIOS[name](given.jobs):
            cells.append(row.cells())
            print(cells[-1], flush=True)
            missed += bool(row.missed)
        show(f"Pace: {name}", cells, f"pace-{name}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
