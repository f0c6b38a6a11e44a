"""`python -m tests.real_servers SERVER PYTHON`: check a batch on a real server; exit code 1 if it did not pass."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.real_servers.check import check
from tests.real_servers.servers import SERVERS, running_server


def main() -> int:
    """Read the arguments, run the check, print the verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_servers", description=__doc__)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("python", type=Path, help="the Python in which the server is installed")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--max-tokens", type=int, default=300)
    parser.add_argument("--restart", action="store_true", help="kill the server in the middle and start it again")
    parser.add_argument("--keep", type=Path, help="a folder for the bytes of every request and answer")
    given = parser.parse_args()
    server = SERVERS[given.server]
    with tempfile.TemporaryDirectory(prefix="real-servers-") as folder:
        running = running_server(server, given.python.absolute(), Path(folder))
        home = Path(folder) / "home"
        verdict = check(
            running,
            home,
            jobs=given.jobs,
            max_tokens=given.max_tokens,
            restart=given.restart,
            keep=given.keep,
        )
    for line in verdict.lines():
        print(f"{server.name}: {line}")
    return 0 if verdict.has_passed else 1


if __name__ == "__main__":
    sys.exit(main())
