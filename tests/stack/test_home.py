"""The home of a stack and the Valkey in it: for its owner alone, for one stack at a time, kept over restarts."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobs.settings import Settings
from longhand.client.client import Client
from longhand.client.connection import DEFAULT_URL, url_file
from longhand.client.errors import StackError
from longhand.stack import embedded
from longhand.stack.home import locked_home, write_url
from longhand.stack.signals import StopSignals
from longhand.stack.stack import Stack, choose_port
from longhand.stack.supervisor import Supervisor


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    said: list[str] = []
    with StopSignals() as signals, locked_home(tmp_path / 'ho me "x"') as home:
        stack = Stack(Settings(home=home), home, "127.0.0.1", 0, 1, 1, signals, Supervisor(said.append))
        try:
            yield stack
        finally:
            stack.end()


def test_valkey_takes_only_those_who_know_its_password(stack: Stack) -> None:
    url = stack.start_valkey()
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
    port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_the_password_is_in_no_command_line_and_the_files_are_private(stack: Stack) -> None:
    stack.start_valkey()
    assert stack.valkey is not None
    password = (stack.home / "valkey" / "password").read_text().strip()
    assert len(password) == 48
    assert password not in " ".join(stack.valkey.command)
    for name in ("valkey", "logs", "."):
        assert stat.S_IMODE((stack.home / name).stat().st_mode) == 0o700
    for name in ("password", "valkey.conf"):
        assert stat.S_IMODE((stack.home / "valkey" / name).stat().st_mode) == 0o600


def test_valkey_keeps_password_and_keys_over_a_restart(stack: Stack) -> None:
    with redis.Redis.from_url(stack.start_valkey()) as client:
        client.set("tail", "so far")
    password = (stack.home / "valkey" / "password").read_text()
    stack.end()
    with redis.Redis.from_url(stack.start_valkey()) as client:
        assert client.get("tail") == b"so far"
    assert (stack.home / "valkey" / "password").read_text() == password


def test_a_file_that_valkey_cannot_read_is_put_aside(stack: Stack) -> None:
    with redis.Redis.from_url(stack.start_valkey()) as client:
        client.set("tail", "so far")
    stack.end()
    [appended] = (stack.home / "valkey" / "appendonlydir").glob("*.incr.aof")
    appended.write_bytes(b"*1\r\n$3\r\nxyz" + b"\0" * 100 + appended.read_bytes())
    with redis.Redis.from_url(stack.start_valkey()) as client:
        assert client.get("tail") is None
    assert len(list((stack.home / "valkey").glob("appendonlydir.unreadable-*"))) == 1


def test_a_valkey_that_is_not_there_does_not_answer() -> None:
    assert not embedded.answers(f"redis://127.0.0.1:{choose_port('127.0.0.1', 0)}/0")


def test_a_second_stack_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with (
        locked_home(tmp_path) as home,
        pytest.raises(StackError, match=rf"another `longhand up` \(process {os.getpid()}\)"),
        locked_home(home),
    ):
        pass
    with locked_home(tmp_path):
        pass


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StackError, match=r"cannot use the home .*: Not a directory"),
        locked_home(tmp_path / "file" / "x"),
    ):
        pass


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"):
            choose_port("127.0.0.1", port)
        with pytest.raises(StackError) as refused:
            choose_port("127.0.0.1", port)
        free = int(str(refused.value).rpartition("; try: longhand up --port ")[2])
        assert choose_port("127.0.0.1", free) == free > port
    assert choose_port("127.0.0.1", port) == port


def test_a_host_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(StackError, match="cannot listen on no such host port 1"):
        choose_port("no such host", 1)


def found_url() -> str:
    with Client() as client:
        return client.url


def test_a_stack_is_found_by_its_home_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAND_HOME", str(tmp_path))
    monkeypatch.delenv("LONGHAND_URL", raising=False)
    with locked_home(tmp_path) as home:
        assert found_url() == DEFAULT_URL
        write_url(home, "http://127.0.0.1:8460")
        assert found_url() == "http://127.0.0.1:8460"
        assert stat.S_IMODE(url_file(home).stat().st_mode) == 0o600
        monkeypatch.setenv("LONGHAND_URL", "http://127.0.0.1:8461/v1")
        assert found_url() == "http://127.0.0.1:8461"
        monkeypatch.delenv("LONGHAND_URL")
    assert found_url() == DEFAULT_URL


@pytest.mark.parametrize("content", ["", "http://127.0.0.1:8460\n", "http://127.0.0.1:8460\n{ended}\n", "a 1 b", "a 0"])
def test_a_stack_that_was_killed_or_has_not_written_all_is_not_found(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGHAND_HOME", str(tmp_path))
    monkeypatch.delenv("LONGHAND_URL", raising=False)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    url_file(tmp_path).write_text(content.format(ended=process.pid))
    assert found_url() == DEFAULT_URL


def test_what_another_user_wrote_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAND_HOME", str(tmp_path))
    monkeypatch.delenv("LONGHAND_URL", raising=False)
    url_file(tmp_path).write_text(f"http://127.0.0.1:8460\n{os.getpid()}\n")
    assert found_url() == "http://127.0.0.1:8460"
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert found_url() == DEFAULT_URL
