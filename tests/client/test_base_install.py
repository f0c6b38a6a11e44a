"""What `pip install longhand-server` brings, without `[server]`: the client, the command, and one clear sentence."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

from tests.client.forked import run_each
from tests.conftest import free_port
from tests.stack.running_up import environ_of, longhand

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


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


def base_environ(home: Path) -> dict[str, str]:
    environ = environ_of(home, {"LONGHAND_REDIS_URL": "redis://127.0.0.1:1"})
    return {**environ, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


def run_base(hidden: list[str], commands: list[list[str]], folder: Path) -> list[tuple[int, str]]:
    """Run each command where these modules cannot be imported; its exit status and what it complains of."""
    before = f"sys.modules.update(dict.fromkeys({hidden!r}))"
    return [(one.returncode, one.stderr.decode()) for one in run_each(commands, base_environ(folder), folder, before)]


def test_the_base_install_has_the_clients(hidden: list[str], tmp_path: Path) -> None:
    assert {"sqlalchemy", "celery", "fastapi", "uvloop"} <= set(hidden)
    code = "from longhand import AsyncClient, Client; Client(); AsyncClient()"
    command = [sys.executable, "-P", "-c", f"import sys; sys.modules.update(dict.fromkeys({hidden!r})); {code}"]
    ran = subprocess.run(command, capture_output=True, text=True, env=base_environ(tmp_path), cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_base_install_has_the_command(hidden: list[str], tmp_path: Path) -> None:
    upstreams = tmp_path / "upstreams.toml"
    upstreams.write_text('[[upstream]]\nname = "one"\nurl = "http://127.0.0.1:9000/v1"\n')
    nobody = ["--server", f"http://127.0.0.1:{free_port()}"]
    commands = [["--help"], ["upstreams", "check", str(upstreams)]]
    commands += [[*nobody, "jobs"], [*nobody, "submit", "Write about tea.", "--model", "m"]]
    helped, checked, *asked = run_base(hidden, commands, tmp_path)
    assert helped == (0, "")
    assert checked == (0, f"{upstreams}: no mistakes\n")
    for _, said in asked:
        assert said.splitlines()[-1].startswith("longhand: nothing answers at ")


def test_a_command_of_the_server_says_what_to_install(hidden: list[str], tmp_path: Path) -> None:
    commands = [["up"], ["demo"], ["simulate"], ["migrate"], ["api"], ["worker"], ["keys", "list"]]
    for command, (code, said) in zip(commands, run_base(hidden, commands, tmp_path), strict=True):
        assert code == 1, command
        [line] = said.splitlines()
        assert line.startswith("longhand: this command needs the server part, and "), command
        assert line.endswith(" is not installed: pip install 'longhand-server[server]'")


def test_every_package_says_that_it_is_typed() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []


def test_the_command_states_the_version_and_knows_the_short_help(tmp_path: Path) -> None:
    environ = base_environ(tmp_path)
    ran = longhand("--version", environ=environ)
    assert (ran.returncode, ran.stdout) == (0, f"longhand {PROJECT['project']['version']}\n")
    for arguments in (["-h"], ["submit", "-h"], ["keys", "create", "-h"]):
        ran = longhand(*arguments, environ=environ)
        assert ran.returncode == 0
        assert "Usage: longhand" in ran.stdout
