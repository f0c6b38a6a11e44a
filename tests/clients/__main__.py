"""`python -m tests.clients [NAME ...]`: run real clients against a whole stack; exit code 1 if any failed."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.environments import CLIENTS, run_client
from tests.clients.upstream import scripted_upstream
from tests.conftest import free_port
from tests.stack.running_up import Up, environ_of, longhand, running_up


@contextmanager
def running_stack(project: str = "default") -> Iterator[tuple[Up, str]]:
    """A whole stack over the scripted upstream, and a key of it for this project."""
    with scripted_upstream() as upstream, tempfile.TemporaryDirectory(prefix="clients-") as folder:
        environ = environ_of(
            Path(folder) / "home", {"LONGHAND_UPSTREAM_URL": upstream, "LONGHAND_WEBHOOK_ALLOW": "127.0.0.0/8"}
        )
        with running_up(environ, "--port", str(free_port())) as up:
            assert up.url  # it is ready, and the tables are there
            made = longhand("keys", "create", "--project", project, environ=environ)
            assert made.returncode == 0, made.stderr
            yield up, made.stdout.strip()


def main() -> int:
    """Read the arguments, run the clients, print what became of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(client.name for client in CLIENTS))
    parser.add_argument("--environments", type=Path, default=Path(".clients"), help="the folder of the environments")
    given = parser.parse_args()
    chosen = [client for client in CLIENTS if not given.names or client.name in given.names]
    failed = 0
    with running_stack() as (up, secret):
        for client in chosen:
            said = run_client(client, given.environments.absolute(), f"{up.url}/v1", secret)
            failed += said is not None
            print(f"{client.name}: {'passed' if said is None else 'FAILED'}", flush=True)
            if said is not None:
                print(said, flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
