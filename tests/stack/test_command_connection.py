"""What a command says and does while its Longhand is starting, is away, and is back."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import pytest

from longhand.cli import command_client
from longhand.cli.command_client import open_client
from longhand.client import connection
from longhand.client.client import Client
from longhand.client.connection import url_file
from longhand.stack.home import is_held, locked_home, write_url
from longhand.words.catalogue import Language, speaking
from tests.client.sent import answer, delta, ended, sent
from tests.conftest import free_port
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import ScriptedUpstream, head

JOB = {"id": "job_1", "object": "job"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LONGHAND_URL", raising=False)
    monkeypatch.setenv("LONGHAND_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_command_waits_for_the_up_of_its_folder_that_is_starting(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_home(home):
        # The command looks again and again: at its third look the stack says where it answers.
        looks = iter([None, None, lambda: write_url(home, "http://127.0.0.1:9999")])
        monkeypatch.setattr(time, "sleep", lambda _: (next(looks) or (lambda: None))())
        with open_client() as client:
            assert client.url == "http://127.0.0.1:9999"
    assert capsys.readouterr().err == f"`longhand up` is starting in {home}: waiting until it answers\n"


def test_a_command_does_not_wait_for_a_start_that_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starting = locked_home(home)
    starting.__enter__()
    monkeypatch.setattr(time, "sleep", lambda _: starting.__exit__(None, None, None))
    with open_client() as client:
        assert client.url == "http://127.0.0.1:8440"


def test_a_command_waits_half_a_minute_for_a_start_and_no_longer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with locked_home(home), open_client() as client:
        assert client.url == "http://127.0.0.1:8440"
    assert 30 <= now[0] < 31


def test_a_command_waits_for_nothing_where_nothing_starts(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    open_client().close()  # there is no home
    with locked_home(home):
        monkeypatch.setenv("LONGHAND_URL", "http://127.0.0.1:9999")
        open_client().close()  # another Longhand is asked
        monkeypatch.delenv("LONGHAND_URL")
        write_url(home, "http://127.0.0.1:9999")
        open_client().close()  # it answers already
    assert capsys.readouterr().err == ""
    assert not is_held(home)
    open_client().close()  # it has ended


def test_a_command_says_that_it_asks_elsewhere_where_the_up_of_its_folder_has_ended(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedUpstream([answer(200, JOB)]) as server:
        monkeypatch.setattr(connection, "DEFAULT_URL", server.url)
        with open_client() as client:
            client.job("job_1")
        assert capsys.readouterr().err == ""  # nothing ever ran here
        with locked_home(home):
            pass
        for language in get_args(Language):
            with speaking(language), open_client() as client:
                client.job("job_1")
                client.job("job_1")
    url = server.url.removesuffix("/v1")
    assert capsys.readouterr().err.splitlines() == [
        f"no `longhand up` runs in {home}: asking {url}",
        f"{home} 中没有运行 `longhand up`：改为询问 {url}",
    ]


def lose(client: Client) -> None:
    """Its connection is lost, and it is about to try again."""
    client._on_retry("gone; trying again")


def test_a_watch_of_an_up_that_ended_asks_no_other_longhand_and_finds_it_again_at_another_port(home: Path) -> None:
    with ScriptedUpstream([answer(200, JOB)]) as server:
        with locked_home(home):
            write_url(home, server.url)
            client = open_client()
            client.job("job_1")
        lose(client)
        assert client.url == server.url.removesuffix("/v1")  # and not the default
        with locked_home(home):
            write_url(home, "http://127.0.0.1:9999")
            lose(client)
            assert client.url == "http://127.0.0.1:9999"
        client.close()


def test_a_watch_of_another_longhand_stays_with_it_when_an_up_starts_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedUpstream([answer(200, JOB)]) as server:
        monkeypatch.setattr(connection, "DEFAULT_URL", server.url)
        with open_client() as client:
            client.job("job_1")
            with locked_home(home):
                write_url(home, "http://127.0.0.1:9999")
                lose(client)
            assert client.url == server.url.removesuffix("/v1")


def test_a_submission_finds_the_up_that_began_to_start_after_it(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = {"id": "job_1", "object": "job"}
    with ScriptedUpstream([answer(202, accepted)]) as server, ExitStack() as up:
        monkeypatch.setattr(connection, "DEFAULT_URL", f"http://127.0.0.1:{free_port()}")

        with open_client() as client:
            tries = client._on_retry
            client._on_retry = lambda line: (up.enter_context(locked_home(home)), tries(line))[1]
            monkeypatch.setattr(time, "sleep", lambda _: write_url(home, server.url))
            assert client.submit_job({"model": "m", "messages": []}) == accepted
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"`longhand up` is starting in {home}: waiting until it answers",
        "connected again",
    ]


def test_the_url_of_a_stack_that_was_killed_does_not_keep_a_command_from_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_home(home):
        url_file(home).write_text("http://127.0.0.1:9998\n4194304\n")  # no process has this pid
        monkeypatch.setattr(time, "sleep", lambda _: write_url(home, "http://127.0.0.1:9999"))
        with open_client() as client:
            assert client.url == "http://127.0.0.1:9999"


def test_a_reason_is_told_once_and_then_that_there_is_a_connection_again(capsys: pytest.CaptureFixture[str]) -> None:
    connection = command_client._Connection()
    connection.answered()
    for line in ("gone; trying again", "gone; trying again", "busy; trying again"):
        connection.lost(line)
    connection.answered()
    connection.answered()
    connection.lost("busy; trying again")
    assert capsys.readouterr().err.splitlines() == [
        "gone; trying again",
        "busy; trying again",
        "connected again",
        "busy; trying again",
    ]


def test_a_watch_that_lost_its_connection_says_that_it_is_connected_again(tmp_path: Path) -> None:
    retry = b"retry: 1\n\n"
    away = answer(503, {"error": {"message": "the database is away"}})
    done = sent("done", {**ended("hello"), "usage": None}, "1:9")
    with ScriptedUpstream([head(), retry + delta(0, "hel")], [away], [away], [head(), delta(3, "lo") + done]) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        ran = longhand("watch", "job_1", environ=environ)
    assert (ran.returncode, ran.stdout) == (0, "hello")
    assert ran.stderr.splitlines() == [
        "the events of job_1 broke off; trying again",
        "the database is away; trying again",
        "connected again",
        "completed",
    ]
