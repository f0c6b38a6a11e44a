"""Which tests may carry the mark `races`, which marks a folder gives, and what `make test-quick` leaves out."""

from collections.abc import Iterable

import pytest

MAY_RACE = ("api", "attacks", "client", "openai_sdk", "page", "stack", "suite", "upstreams", "worker", "chaos")
"""The folders with tests that start real processes. Tests of the store and of the parsers are exact at any speed."""

SERVERS = frozenset({"browser", "own_valkey", "postgres_server", "valkey_server"})
"""The fixtures that start a process. Some are asked for by their name in a parameter: `postgresql`, `valkey`."""

STARTERS = frozenset({"environ_of", "forking", "multiprocessing", "running_up", "subprocess"})
"""What a file imports to start processes itself; all its tests then count as such."""

LONG = (
    "tests/fairness/test_mixes.py",
    "tests/fairness/test_probes_after_outages.py",
    "tests/inputs/test_random_tables.py",
    "tests/pace/test_known_limits.py",
    "tests/pace/test_learned_limits.py",
    "tests/pace/test_servers.py",
    "tests/store/test_due.py::test_jobs_without_a_batch_do_not_starve_batches_nor_batches_them",
    "tests/store/test_job_life.py",
    "tests/store/test_part_shares.py",
    "tests/store/test_reservation.py::test_eight_workers_at_once_neither_pass_the_window_nor_run_a_job_twice",
    "tests/store/test_token_shares.py",
    "tests/store/test_turns.py::test_projects_share_by_weight_however_much_room_there_is",
    "tests/store/test_upstream_total.py",
    "tests/upstreams/test_mistakes.py::test_any_values_for_the_keys_give_upstreams_or_mistakes_with_lines",
)
"""What computes for seconds: hours of a provider's life, thousands of random cases, many threads."""

WAITING = (
    "tests/openai_sdk/test_files_and_batches.py",
    "tests/openai_sdk/test_responses_and_completions.py",
    "tests/stack/test_canary_text.py",
)
"""What waits for a minute or two and computes little: for what is kept so long, and for packages that are fetched."""


def begin_with_waiting(items: list[pytest.Item]) -> None:
    """Run first what waits, while the others compute: last, it has the machine to itself."""
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))


def mark_races(items: Iterable[pytest.Item]) -> None:
    """Mark the chaos suite and whatever needs a browser. Raises `pytest.UsageError` where the mark must not be."""
    for item in items:
        folder = item.nodeid.removeprefix("tests/").partition("/")[0]
        if folder == "chaos" or "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.races)
        if item.get_closest_marker("races") and (folder not in MAY_RACE or watches(item.nodeid)):
            raise pytest.UsageError(f"{item.nodeid} must pass at any speed: it cannot be marked `races`")


def mark_chaos(items: Iterable[pytest.Item]) -> None:
    """Mark the chaos suite. Tests elsewhere that kill, stop, cut or freeze something carry the mark themselves."""
    for item in items:
        if item.nodeid.startswith("tests/chaos/"):
            item.add_marker(pytest.mark.chaos)


def mark_processes(items: Iterable[pytest.Item]) -> None:
    """Mark what starts a server or another process; `make test-quick` leaves it out."""
    for item in items:
        kills = item.get_closest_marker("chaos") or item.get_closest_marker("races")
        if kills or (isinstance(item, pytest.Function) and _starts(item)):
            item.add_marker(pytest.mark.processes)


def mark_long(items: Iterable[pytest.Item]) -> None:
    """Mark what computes for seconds; `make test-quick` leaves it out."""
    for item in items:
        if item.nodeid.startswith(LONG):
            item.add_marker(pytest.mark.long)


def watches(nodeid: str) -> bool:
    """Whether it is one of the API's or the client's tests that a watcher gets every byte once."""
    return nodeid.startswith(("tests/api/", "tests/client/")) and "watch" in nodeid.partition("::")[0]


def _starts(test: pytest.Function) -> bool:
    parameters = test.callspec.params.values() if hasattr(test, "callspec") else ()
    if any(isinstance(value, str) and value.startswith(("postgresql", "valkey")) for value in parameters):
        return True
    return bool(SERVERS.intersection(test.fixturenames) or STARTERS & vars(test.module).keys())
