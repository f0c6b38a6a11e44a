"""`python -m benchmarks`: all of them, one after another. It takes over an hour."""

import subprocess
import sys

COMMANDS = (
    ("benchmarks.deltas", "10", "50", "100", "200", "300", "400"),
    ("benchmarks.deltas", "--unwatched", "50", "200", "400", "600"),
    ("benchmarks.wakeups",),
    ("benchmarks.peers",),
    ("benchmarks.jobs_rate",),
    ("benchmarks.fanout", "25", "50"),
    ("benchmarks.openings",),
    ("benchmarks.million",),
    ("benchmarks.dispatch",),
    ("benchmarks.ingest",),
    ("benchmarks.scaling",),
    ("benchmarks.cards",),
    ("benchmarks.pace",),
    ("benchmarks.plot",),
)


def main() -> int:
    """Run each in a process of its own; how many failed."""
    failed = 0
    for module, *arguments in COMMANDS:
        print(f"\n## python -m {' '.join([module, *arguments])}", flush=True)
        command = [sys.executable, "-m", module, *arguments]
        failed += subprocess.run(command, check=False).returncode != 0  # noqa: S603  # our own commands
    return failed


if __name__ == "__main__":
    sys.exit(main())
