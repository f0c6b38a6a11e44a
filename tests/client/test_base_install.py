"""What `pip install longhand-server` brings, without `[server]`: the client, the command, and one clear sentence."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.stack.running_up import environ_of

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
_RUN = "import sys; sys.modules.update(dict.fromkeys({hidden!r})); {code}"
_COMMAND = "from longhand.cli.command import run; sys.exit(run({arguments!r}))"


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(requirements: list[str]) -> set[str]:
    """The distributions that these requirements bring, with what those need, and without any extra."""
    brought = set[str]()
    waiting = list(requirements)
    while waiting:
        name = normal(re.split(r"[\s\[<>=!~;(]", waiting.pop())[0])
        if name not in brought:
            brought.add(name)
            waiting += [need for need in distribution(name).requires or [] if ";" not in need]
    return brought


@pytest.fixture(scope="module")
def hidden() -> list[str]:
    """The modules that this environment has and a base install does not."""
    base = installed_with(PROJECT["project"]["dependencies"])
    return [
        module
        for module, owners in packages_distributions().items()
        if module not in PACKAGES and not {normal(owner) for owner in owners} & base
    ]


def run_base(hidden: list[str], code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run Python where these modules cannot be imported."""
    environ = environ_of(directory, {"LONGHAND_REDIS_URL": "redis://127.0.0.1:1"})
    environ["OPENAI_BASE_URL"] = "http://127.0.0.1:1/v1"
    command = [sys.executable, "-P", "-c", _RUN.format(hidden=hidden, code=code)]
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=directory, check=False)


def test_the_base_install_has_the_clients(hidden: list[str], tmp_path: Path) -> None:
    assert {"sqlalchemy", "celery", "fastapi", "uvloop"} <= set(hidden)
    ran = run_base(hidden, "from longhand import AsyncClient, Client; Client(); AsyncClient()", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_base_install_has_the_command(hidden: list[str], tmp_path: Path) -> None:
    ran = run_base(hidden, _COMMAND.format(arguments=["--help"]), tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    upstreams = tmp_path / "upstreams.toml"
    upstreams.write_text('[[upstream]]\nname = "one"\nurl = "http://127.0.0.1:9000/v1"\n')
    ran = run_base(hidden, _COMMAND.format(arguments=["upstreams", "check", str(upstreams)]), tmp_path)
    assert (ran.returncode, ran.stderr) == (0, f"{upstreams}: no mistakes\n")
    nobody = ["--server", f"http://127.0.0.1:{free_port()}"]
    for arguments in (["jobs"], ["submit", "Write about tea.", "--model", "m"]):
        ran = run_base(hidden, _COMMAND.format(arguments=[*nobody, *arguments]), tmp_path)
        assert ran.stderr.splitlines()[-1].startswith("longhand: nothing answers at ")


@pytest.mark.parametrize("command", ["up", "demo", "simulate", "migrate", "api", "worker", "keys list"])
def test_a_command_of_the_server_says_what_to_install(command: str, hidden: list[str], tmp_path: Path) -> None:
    ran = run_base(hidden, _COMMAND.format(arguments=command.split()), tmp_path)
    assert ran.returncode == 1
    [line] = ran.stderr.splitlines()
    assert line.startswith("longhand: this command needs the server part, and ")
    assert line.endswith(" is not installed: pip install 'longhand-server[server]'")


def test_every_package_says_that_it_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []


def test_the_command_states_the_version_and_knows_the_short_help(tmp_path: Path) -> None:
    ran = run_base([], _COMMAND.format(arguments=["--version"]), tmp_path)
    assert (ran.returncode, ran.stdout) == (0, f"longhand {PROJECT['project']['version']}\n")
    for arguments in (["-h"], ["submit", "-h"], ["keys", "create", "-h"]):
        ran = run_base([], _COMMAND.format(arguments=arguments), tmp_path)
        assert ran.returncode == 0
        assert "Usage: longhand" in ran.stdout
