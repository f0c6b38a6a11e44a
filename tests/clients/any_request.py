"""`python -m tests.clients.any_request`: Schemathesis against a whole stack; exit code 1 if it finds anything.

It makes requests of the OpenAPI document, good and bad. No answer may be a 5xx or differ from the document.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.clients.__main__ import running_stack
from tests.clients.environments import make_python

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def main() -> int:
    """Read the arguments, run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.any_request", description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".clients"), help="the folder of the environments")
    parser.add_argument("--examples", type=int, default=30, help="how many requests for each endpoint")
    parser.add_argument("more", nargs="*", help="more options of `st run`, after --")
    given = parser.parse_args()
    python = make_python(given.environments.absolute() / "schemathesis", "schemathesis")
    with running_stack("tests") as (up, secret):
        command = [
            str(python.parent / "st"),
            "run",
            f"{up.url}/openapi.json",
            "--header",
            f"Authorization:Bearer {secret}",
        ]
        options = ["--checks", ",".join(_CHECKS), "--max-examples", str(given.examples), "--continue-on-failure"]
        return subprocess.run([*command, *options, *given.more], cwd=python.parents[2], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
