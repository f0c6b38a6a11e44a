"""What `GET /v1/upstreams` and `longhand upstreams` show, and what they keep to themselves."""

import time
from pathlib import Path

import httpx
import pytest

from api.schemas.upstreams import UpstreamList
from jobs.store.database import open_database
from jobs.store.keys import create_key
from jobs.upstreams.source import LOOK_SECONDS
from tests.api.callers import calling
from tests.conftest import serve_api
from tests.stack.running_up import environ_of, longhand
from tests.upstreams.files import GOOD

KEY = "sk-canary-4711"

FILE = f"""\
[[upstream]]
name = "one"
url = "https://one.example/v1?key={KEY}"
api_key_file = "key"
models = ["gpt-*"]
rename = {{ "gpt-4.1" = "openai/gpt-4.1" }}
max_streams = 64
headers = {{ "x-key" = "{KEY}" }}

[[upstream]]
name = "two"
url = "http://two.example/v1"
tier = 1
"""
PATIENCE_SECONDS = 30


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good file with its key."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "upstreams.toml").write_text(FILE)
    return tmp_path / "upstreams.toml"


def test_the_upstreams_are_listed_in_the_order_of_the_file_without_any_secret(
    sqlite_url: str, redis_url: str, file: Path
) -> None:
    with serve_api(sqlite_url, redis_url, upstreams=file) as api:
        answer = httpx.get(f"http://127.0.0.1:{api.port}/v1/upstreams", trust_env=False)
    assert answer.status_code == 200
    assert KEY not in answer.text
    UpstreamList.model_validate(answer.json())
    one, two = answer.json()["data"]
    assert (one["name"], one["url"], one["models"]) == ("one", "https://one.example/v1", ["gpt-*"])
    assert one["rename"] == {"gpt-4.1": "openai/gpt-4.1"}
    assert one["limits"] == {"max_streams": 64, "requests_per_minute": None, "tokens_per_minute": None}
    assert (two["name"], two["tier"], two["models"]) == ("two", 1, ["*"])
    assert answer.json()["file_mistakes"] == []


def test_a_change_of_the_file_is_shown_without_a_restart_and_its_mistakes_are(
    sqlite_url: str, redis_url: str, file: Path
) -> None:
    with (
        serve_api(sqlite_url, redis_url, upstreams=file) as api,
        httpx.Client(base_url=f"http://127.0.0.1:{api.port}/v1", trust_env=False) as client,
    ):

        def wait_for(names: list[str], lines: list[int]) -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                found = client.get("/upstreams").json()
                shown = [upstream["name"] for upstream in found["data"]]
                if (shown, [mistake["line"] for mistake in found["file_mistakes"]]) == (names, lines):
                    return
                assert time.monotonic() < deadline, found
                time.sleep(LOOK_SECONDS / 5)

        wait_for(["one", "two"], [])
        file.write_text(GOOD + "tier = -1\nweight = 0\n")
        wait_for(["one", "two"], [4, 5])
        file.write_text(GOOD)
        wait_for(["one"], [])


def test_a_change_is_noticed_also_while_nobody_asks(
    sqlite_url: str, redis_url: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"), serve_api(sqlite_url, redis_url, upstreams=file):
        file.write_text(GOOD)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "the upstreams are now one" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(LOOK_SECONDS / 5)


def test_without_any_upstream_the_list_is_empty(sqlite_url: str, redis_url: str) -> None:
    with serve_api(sqlite_url, redis_url) as api:
        answer = httpx.get(f"http://127.0.0.1:{api.port}/v1/upstreams", trust_env=False)
    assert answer.json() == {"object": "list", "data": [], "file_mistakes": []}


def test_the_command_shows_the_running_upstreams_and_says_what_is_wrong_with_their_file(
    sqlite_url: str, redis_url: str, file: Path, tmp_path: Path
) -> None:
    with serve_api(sqlite_url, redis_url, upstreams=file) as api:
        environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{api.port}"})
        ran = longhand("upstreams", environ=environ)
        assert ran.returncode == 0
        assert [line.split()[0] for line in ran.stdout.splitlines()] == ["name", "one", "two"]
        assert "64" in ran.stdout
        assert ran.stderr == ""
        file.unlink()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "the file cannot be read" not in ran.stderr:
            assert time.monotonic() < deadline, ran
            ran = longhand("upstreams", environ=environ)
        assert ran.returncode == 0


def test_the_check_shows_every_mistake_where_editors_find_it_and_ends_with_1(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(GOOD + f'tier = -1\napi_key_env = "SURELY_NOT_SET"\nheaders = {{ host = "{KEY}" }}\n')
    ran = longhand("upstreams", "check", str(wrong), environ=environ_of(tmp_path, {}))
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    assert [line.removeprefix(f"{wrong}:").split(":")[0] for line in lines[:3]] == ["4", "5", "6"]
    assert lines[3] == "3 mistakes: this file would not be used"
    assert KEY not in ran.stderr + ran.stdout


def test_the_check_shows_what_it_understood_and_ends_with_0(file: Path, tmp_path: Path) -> None:
    ran = longhand("upstreams", "check", str(file), environ=environ_of(tmp_path, {}))
    assert (ran.returncode, ran.stderr) == (0, f"{file}: no mistakes\n")
    assert "gpt-4.1 is openai/gpt-4.1" in ran.stdout
    assert "headers x-key" in ran.stdout
    assert KEY not in ran.stdout


def test_keys_that_are_elsewhere_need_not_be_here_for_the_check(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()
    assert longhand("upstreams", "check", str(file), environ=environ_of(tmp_path, {})).returncode == 1
    assert longhand("upstreams", "check", "--no-keys", str(file), environ=environ_of(tmp_path, {})).returncode == 0


def test_each_project_sees_the_upstreams_and_nobody_without_a_key(sqlite_url: str, redis_url: str, file: Path) -> None:
    database = open_database(sqlite_url)
    secret = create_key(database, project="newsroom")[1]
    database.close()
    with serve_api(sqlite_url, redis_url, upstreams=file) as api:
        with calling(api) as stranger:
            assert stranger.get("/v1/upstreams").status_code == 401
        with calling(api, secret) as client:
            assert len(client.get("/v1/upstreams").json()["data"]) == 2
