"""The official `openai` package in each of its major versions, every one in a folder of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from longhand.simulator import Pace, serve_in_thread
from tests.conftest import free_port
from tests.sparing import AUTHORITIES
from tests.stack.running_up import environ_of, running_up

VERSIONS = ("1.109.1", "2.54.0", "3.54.0")
"""The newest of each major version. They cannot be installed beside each other, so none is in the project's own."""

_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Sdk:
    """One version of the SDK. Its scenarios are scripts that run in a process of their own with that version."""

    version: str
    packages: Path

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script of this folder, for instance `scenario_files.py`. Its output is piped; the caller ends it."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "LONGHAND_"))}
        return subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / script), *arguments],
            # Pydantic builds the SDK's models when they are first used, and fails if two threads do that at once.
            env={**environ, "DEFER_PYDANTIC_BUILD": "false"}
            | {"PYTHONPATH": os.pathsep.join((str(self.packages), str(_ROOT)))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, seconds: float = 120) -> str:
        """Run a script to its end; what it printed. The test fails with its traceback when it fails."""
        with self.start(script, *arguments) as process:
            try:
                out, errors = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                out, errors = process.communicate()
                pytest.fail(f"{script} {arguments} still ran after {seconds:g} s\n{out}\n{errors}")
        assert process.returncode == 0, f"{script} {arguments} with openai {self.version}:\n{out}\n{errors}"
        return out


@pytest.fixture(scope="package")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a whole stack, as the SDK takes it; a simulator is its upstream, at 200 deltas a second."""
    with serve_in_thread(Pace(deltas_per_second=200, first_delta_seconds=0.02)) as simulator:
        home = tmp_path_factory.mktemp("stack") / "home"
        settings = {"LONGHAND_UPSTREAM_URL": simulator.url, "LONGHAND_HEARTBEAT_SECONDS": "0.5"}
        with running_up(environ_of(home, settings), "--port", str(free_port())) as up:
            yield f"{up.url}/v1"


@pytest.fixture(scope="session", params=VERSIONS)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each version in turn. It is fetched once, with pip, and kept in pytest's cache."""
    return _install(request.config, request.param)


@pytest.fixture(scope="session")
def newest_sdk(request: pytest.FixtureRequest) -> Sdk:
    """The newest version alone, for tests whose subject is elsewhere."""
    return _install(request.config, VERSIONS[-1])


def _install(config: pytest.Config, version: str) -> Sdk:
    assert config.cache is not None
    packages = config.cache.mkdir("openai-sdk") / version
    if not packages.exists():
        with tempfile.TemporaryDirectory(dir=packages.parent, ignore_cleanup_errors=True) as name:
            fresh = Path(name)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command += ["--retries", "1"]  # without a network, five for each package take longer than a test may
            # The tests' own clients trust nobody (`trusting_nobody`); pip must know its index.
            environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_DIR"} | AUTHORITIES
            done = subprocess.run(
                [*command, "--target", str(fresh / "packages"), f"openai=={version}"],
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                why = f"openai {version} cannot be installed: {done.stderr.strip().splitlines()[-1:]}"
                if os.environ.get("CI"):
                    pytest.fail(why)
                pytest.skip(why)
            try:
                (fresh / "packages").rename(packages)
            except OSError:  # another run of the tests was quicker
                assert packages.exists()
    return Sdk(version, packages)
