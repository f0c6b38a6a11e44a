"""Settings: none need be set, and each wrong one is told in one line."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs import settings as settings_module
from jobs.settings import Settings, SettingsError
from tests.store.reading_settings import KEY, _nothing_is_set, load, problems

__all__ = ["_nothing_is_set"]  # a fixture


def test_nothing_need_be_set() -> None:
    settings = load({})
    assert settings == Settings()
    assert settings.database == f"sqlite:///{Path.cwd() / '.longhand' / 'longhand.db'}"
    assert settings.upstream_url is None
    assert settings.upstream_api_key is None


def test_settings_come_from_the_environment() -> None:
    settings = load({"LONGHAND_STREAMS": "7", "LONGHAND_LEASE_SECONDS": "22.5", "LONGHAND_UPSTREAM_USAGE": "false"})
    assert (settings.streams, settings.lease_seconds, settings.upstream_usage) == (7, 22.5, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STREAMS", "0"),
        ("STREAMS", "2001"),
        ("STREAMS", "many"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "-1"),
        ("HEARTBEAT_SECONDS", "soon"),
        ("GRACE_SECONDS", "0"),
        ("HINT_SECONDS", "0"),
        ("TAIL_SECONDS", "59"),
        ("FIRST_DELTA_SECONDS", "0"),
        ("BETWEEN_DELTAS_SECONDS", "0"),
        ("TOTAL_SECONDS", "0"),
        ("RETRY_BASE_SECONDS", "0"),
        ("RETRY_CAP_SECONDS", "0"),
        ("TAIL_SECONDS", "1e12"),
        ("LEASE_SECONDS", "inf"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "1e12"),
        ("TOTAL_SECONDS", "-inf"),
        ("IDEMPOTENCY_SECONDS", "nan"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BATCH_JOBS", "1.5"),
        ("MAX_TEXT_BYTES", "0"),
        ("UPSTREAM_USAGE", "maybe"),
        ("UPSTREAM_PREFIX", "suffix"),
        ("UPSTREAM_URL", "api.example.com/v1"),
        ("UPSTREAM_URL", "http:///v1"),
        ("UPSTREAM_URL", "http://host:port/v1"),
        ("UPSTREAM_URL", "http://host:70000/v1"),
        ("UPSTREAM_URL", "http://[::1/v1"),
        ("URL", "ftp://example.com"),
        ("REDIS_URL", "http://localhost:6379"),
        ("DATABASE_URL", "mysql://localhost/longhand"),
    ],
)
def test_a_wrong_value_is_told_in_one_line_with_its_name_and_what_it_is(name: str, value: str) -> None:
    [line] = problems({f"LONGHAND_{name}": value})
    assert line.startswith(f"LONGHAND_{name}: ")
    assert line.endswith(f"(it is {value!r})")


@pytest.mark.parametrize(
    ("lease", "heartbeat", "least"), [(None, "20", "41"), ("10.9", None, "11"), ("2", "0.51", "2.02"), ("3", "3", "7")]
)
def test_a_lease_that_does_not_outlast_two_heartbeats_is_told_in_one_line_that_names_both(
    lease: str | None, heartbeat: str | None, least: str
) -> None:
    given = {"LONGHAND_LEASE_SECONDS": lease or "", "LONGHAND_HEARTBEAT_SECONDS": heartbeat or ""}
    [line] = problems(given)
    assert line.startswith(f"LONGHAND_LEASE_SECONDS: must be at least {least}, ")
    assert "LONGHAND_HEARTBEAT_SECONDS" in line
    assert f"(it is {lease or 15})" in line
    assert load(given | {"LONGHAND_LEASE_SECONDS": least}).lease_seconds == float(least)


def test_every_setting_has_a_description() -> None:
    """One for whoever reads the file: a string below each field."""
    [settings] = [
        node
        for node in ast.parse(Path(settings_module.__file__).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    for field, below in pairwise(settings.body):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(below, ast.Expr), ast.unparse(field)
            assert isinstance(below.value, ast.Constant), ast.unparse(field)


def test_every_wrong_setting_is_told_at_once() -> None:
    lines = problems({"LONGHAND_STREAMS": "x", "LONGHAND_URL": "y", "LONGHAND_NO_SUCH_THING": "z"})
    assert sorted(line.split(":")[0].split()[0] for line in lines) == [
        "LONGHAND_NO_SUCH_THING",
        "LONGHAND_STREAMS",
        "LONGHAND_URL",
    ]


def test_a_misspelt_name_is_told_with_the_one_that_was_meant() -> None:
    [line] = problems({"LONGHAND_UPSTREAM_API_KYE": KEY})
    assert line == "LONGHAND_UPSTREAM_API_KYE is not a setting; did you mean LONGHAND_UPSTREAM_API_KEY?"
    [line] = problems({"LONGHAND_ZZZZZZZZ": "1"})
    assert line == "LONGHAND_ZZZZZZZZ is not a setting"


def test_an_empty_value_is_as_good_as_none() -> None:
    assert load({"LONGHAND_DATABASE_URL": "", "LONGHAND_STREAMS": ""}) == Settings()


def test_the_urls_that_others_give_for_postgresql_are_taken() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        settings = load({"LONGHAND_DATABASE_URL": f"{scheme}://u:p@host:5432/db?sslmode=require"})
        assert settings.database == "postgresql+psycopg://u:p@host:5432/db?sslmode=require"


def test_a_sqlite_url_is_taken_as_it_is() -> None:
    assert load({"LONGHAND_DATABASE_URL": "sqlite:////tmp/x.db"}).database == "sqlite:////tmp/x.db"


def test_what_a_process_cannot_go_without_is_asked_for_by_name() -> None:
    with pytest.raises(SettingsError, match=r"^LONGHAND_REDIS_URL is not set: .*longhand up"):
        load({}).require_redis_url()
    with pytest.raises(SettingsError, match=r"^LONGHAND_UPSTREAM_URL is not set: .*longhand simulate"):
        load({}).require_upstream_url()
    assert load({"LONGHAND_REDIS_URL": "redis://h"}).require_redis_url() == "redis://h"


def test_settings_do_not_change() -> None:
    settings = load({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.streams = 5
