"""`longhand simulate`: one simulated upstream or several, and what cannot be simulated is one line."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.stack.running_up import environ_of, longhand


def test_the_simulator_says_where_it_is_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    command_line = [sys.executable, "-P", "-m", "longhand", "simulate", "--port", "0"]
    process = subprocess.Popen(command_line, env=environ_of(tmp_path, {}), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("simulator ready: LONGHAND_UPSTREAM_URL=")
        port = url.removeprefix("http://127.0.0.1:").removesuffix("/v1")
        taken = longhand("simulate", "--port", port, environ=environ_of(tmp_path, {}))
        assert taken.returncode == 1
        assert taken.stderr == f"longhand: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=90)
        assert (process.returncode, rest) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_several_simulated_upstreams_come_from_one_file(tmp_path: Path) -> None:
    file = tmp_path / "three.toml"
    file.write_text("[[upstream]]\nkey = 'right'\n" + "[[upstream]]\nrequests_per_minute = 60\n" * 2)
    command_line = [sys.executable, "-P", "-m", "longhand", "simulate", "--file", str(file)]
    process = subprocess.Popen(command_line, env=environ_of(tmp_path, {}), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        urls = [line.strip().removeprefix("simulator ready: LONGHAND_UPSTREAM_URL=") for line in lines]
        assert [httpx.get(f"{url}/models").status_code for url in urls] == [401, 200, 200]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--in-flight", "0"], "in_flight"),
        (["--window", "moving"], "window"),
        (["--file", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_a_provider_that_cannot_be_simulated_is_one_line(tmp_path: Path, options: list[str], named: str) -> None:
    ran = longhand("simulate", "--port", "0", *options, environ=environ_of(tmp_path, {}))
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert named in ran.stderr
