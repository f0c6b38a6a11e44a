"""`longhand keys`: made once, listed without their secret, revoked by name; and sent by the commands and the client."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.server import ApiServer
from jobs.intake.submission import NewJob, submit_job
from jobs.store.database import open_database
from jobs.store.keys import list_keys
from longhand.client.async_client import AsyncClient
from longhand.client.client import Client
from longhand.client.errors import AccessError, InputError
from tests.conftest import serve_api
from tests.stack.running_up import environ_of, longhand


@pytest.fixture
def environ(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    return environ_of(tmp_path, {"LONGHAND_DATABASE_URL": sqlite_url})


@pytest.fixture
def closed(environ: dict[str, str], sqlite_url: str, redis_url: str) -> Iterator[tuple[ApiServer, str]]:
    """An API that asks for a key, and a key."""
    secret = longhand("keys", "create", environ=environ).stdout.strip()
    with serve_api(sqlite_url, redis_url) as server:
        yield server, secret


def test_a_key_is_alone_on_stdout_and_never_shown_again(environ: dict[str, str], sqlite_url: str) -> None:
    made = longhand("keys", "create", "--project", "blue", "--name", "the newsroom", environ=environ)
    assert made.returncode == 0
    assert re.fullmatch(r"lh_[A-Za-z0-9_-]{43}\n", made.stdout)
    secret = made.stdout.strip()
    assert secret not in made.stderr
    assert "this is the first key" in made.stderr
    assert "first key" not in longhand("keys", "create", environ=environ).stderr
    listed = longhand("keys", "list", environ=environ)
    assert listed.returncode == 0
    assert secret not in listed.stdout + listed.stderr
    assert secret[10:] not in listed.stdout
    database = open_database(sqlite_url)
    for key in list_keys(database):
        assert f"{key.id} " in listed.stdout
        assert f"{key.prefix}..." in listed.stdout
    assert "the newsroom" in listed.stdout
    revoked = longhand("keys", "revoke", secret[:10], environ=environ)
    assert (revoked.returncode, revoked.stdout) == (0, "")
    assert [key.revoked_at is not None for key in list_keys(database)] == [True, False]
    database.close()


def test_a_key_that_hides_earlier_work_says_so_and_names_the_project_of_it(
    environ: dict[str, str], sqlite_url: str
) -> None:
    said = "this key does not show the earlier work of the project"
    assert said not in longhand("keys", "create", "--project", "first", environ=environ).stderr
    database = open_database(sqlite_url)
    submit_job(database, NewJob(request={"model": "m", "messages": []}))  # as without a key
    made = longhand("keys", "create", "--project", "blue", environ=environ)
    assert f"{said} default: the project blue has none yet" in made.stderr
    assert "longhand keys create --project default" in made.stderr
    assert said not in longhand("keys", "create", environ=environ).stderr
    for project in ("blue", "green"):
        submit_job(database, NewJob(request={"model": "m", "messages": []}), project=project)
    database.close()
    assert said not in longhand("keys", "create", "--project", "blue", environ=environ).stderr
    assert f"{said} blue, default, green" in longhand("keys", "create", "--project", "new", environ=environ).stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["create", "--project", "A b"], "'A b' is no name for a project: take 1 to 64 of a-z"),
        (["revoke", "key_none"], "no key has the id or the prefix 'key_none'; `longhand keys list` shows them"),
        (["revoke"], "Missing argument 'ID_OR_PREFIX'."),
        (["revoke", "lh_" + "a" * 43], "this is the secret itself: name the key by its id"),
    ],
)
def test_what_cannot_be_used_is_one_line(environ: dict[str, str], arguments: list[str], line: str) -> None:
    ran = longhand("keys", *arguments, environ=environ)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"longhand: {line}")
    assert len(ran.stderr.splitlines()) == 1
    assert "aaa" not in ran.stderr


def test_a_database_without_tables_is_one_line(tmp_path: Path) -> None:
    ran = longhand(
        "keys", "create", environ=environ_of(tmp_path, {"LONGHAND_DATABASE_URL": f"sqlite:///{tmp_path}/new.db"})
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "run `longhand migrate` first" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_commands_send_the_key_of_the_environment(environ: dict[str, str], closed: tuple[ApiServer, str]) -> None:
    server, secret = closed
    url = {**environ, "LONGHAND_URL": f"http://127.0.0.1:{server.port}"}
    without = longhand("jobs", environ=url)
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr.startswith("longhand: no API key was sent")
    assert "LONGHAND_API_KEY" in without.stderr
    made = longhand("submit", "Write.", "--model", "m", environ={**url, "LONGHAND_API_KEY": secret})
    assert made.returncode == 0
    assert made.stdout.startswith("job_")
    wrong = longhand("show", made.stdout.strip(), environ={**url, "LONGHAND_API_KEY": "lh_" + "w" * 43})
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("longhand: this API key is unknown or was revoked")
    assert "wwww" not in wrong.stderr
    broken = longhand("jobs", environ={**url, "LONGHAND_API_KEY": "wwww\twwww"})
    assert broken.returncode == 2
    assert broken.stderr.startswith("longhand: the API key (LONGHAND_API_KEY) has a character that no key has")
    assert "wwww" not in broken.stderr


def test_the_clients_send_the_key_that_they_are_given(
    closed: tuple[ApiServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, secret = closed
    url = f"http://127.0.0.1:{server.port}"
    with Client(url) as nobody, pytest.raises(AccessError) as refused:
        list(nobody.jobs())
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")
    with Client(url, api_key=secret) as client:
        job = client.submit("Write.", model="m")
        client.cancel(job["id"])
        assert [type(event).__name__ for event in client.watch(job["id"])][-1] == "Done"

    async def read() -> str:
        async with AsyncClient(url, api_key=secret) as client:
            return (await client.job(job["id"]))["id"]

    assert asyncio.run(read()) == job["id"]
    monkeypatch.setenv("LONGHAND_API_KEY", secret)
    with Client(url) as client:
        assert client.job(job["id"])["id"] == job["id"]
    with pytest.raises(InputError) as told:
        Client(url, api_key="lh_ä")
    assert "lh_ä" not in str(told.value)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "there is no data of Longhand here"), ("zh", "这里没有 Longhand")]
)
def test_a_folder_without_data_is_said_to_be_one_and_gets_no_database(language: str, said: str, tmp_path: Path) -> None:
    ran = longhand("keys", "list", environ=environ_of(tmp_path, {"LONGHAND_LANG": language}))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert "migrate" not in ran.stderr
    assert list(tmp_path.rglob("*.db")) == []
