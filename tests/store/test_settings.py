"""Settings: each wrong one is told in one line, and no key is told at all."""

import ast
import os
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs import settings as settings_module
from jobs.settings import Settings, SettingsError, load_settings

KEY = "sk-canary-4711"
PASSWORD = "pass-canary-4711"  # noqa: S105  # it is looked for in what must not have it


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("LONGHAND_", "OPENAI_")):
            monkeypatch.delenv(name)


def load(environ: dict[str, str]) -> Settings:
    """The settings where this is set and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return load_settings()


def key_of(settings: Settings) -> str | None:
    """The key that the upstream would be sent."""
    return settings.upstream_api_key.get_secret_value() if settings.upstream_api_key else None


def problems(environ: dict[str, str]) -> list[str]:
    """The lines that somebody who set this is shown."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value).split("\n")


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


@pytest.mark.parametrize("name", ["LONGHAND_UPSTREAM_API_KEY", "OPENAI_API_KEY"])
def test_the_key_is_in_no_repr(name: str) -> None:
    settings = load({name: KEY})
    assert key_of(settings) == KEY
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert KEY not in shown


def test_the_key_is_in_no_error() -> None:
    lines = problems({"OPENAI_API_KEY": KEY, "LONGHAND_STREAMS": "0", "LONGHAND_UPSTREAM_KEY": KEY})
    assert len(lines) == 2
    assert not any(KEY in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LONGHAND_DATABASE_URL", f"mysql://user:{PASSWORD}@host/db"),
        ("LONGHAND_REDIS_URL", f"http://user:{PASSWORD}@host"),
        ("LONGHAND_UPSTREAM_URL", f"https://user:{PASSWORD}@host/v1"),
        ("LONGHAND_UPSTREAM_URL", f"host/v1?key={PASSWORD}"),
        ("OPENAI_BASE_URL", f"host/v1?key={PASSWORD}"),
    ],
)
def test_a_password_or_key_in_a_url_is_in_no_error(name: str, value: str) -> None:
    [line] = problems({name: value})
    assert line.startswith(name)
    assert PASSWORD not in line


def test_a_password_or_key_in_a_url_is_in_no_repr() -> None:
    settings = load(
        {
            "LONGHAND_DATABASE_URL": f"postgresql://user:{PASSWORD}@host/db",
            "LONGHAND_REDIS_URL": f"redis://:{PASSWORD}@host",
            "LONGHAND_UPSTREAM_URL": f"https://host/v1?key={PASSWORD}",
        }
    )
    assert PASSWORD in settings.database
    assert PASSWORD not in repr(settings) + str(settings)


def test_the_urls_that_others_give_for_postgresql_are_taken() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        settings = load({"LONGHAND_DATABASE_URL": f"{scheme}://u:p@host:5432/db?sslmode=require"})
        assert settings.database == "postgresql+psycopg://u:p@host:5432/db?sslmode=require"


def test_a_sqlite_url_is_taken_as_it_is() -> None:
    assert load({"LONGHAND_DATABASE_URL": "sqlite:////tmp/x.db"}).database == "sqlite:////tmp/x.db"


def test_what_is_set_for_openai_is_used_when_nothing_else_is() -> None:
    openai = {"OPENAI_BASE_URL": "https://one.example/v1/", "OPENAI_API_KEY": "one"}
    settings = load(openai)
    assert settings.require_upstream_url() == "https://one.example/v1"
    own = {"LONGHAND_UPSTREAM_URL": "https://two.example/v1", "LONGHAND_UPSTREAM_API_KEY": "two"}
    settings = load(openai | own)
    assert settings.upstream_url == "https://two.example/v1"
    assert key_of(settings) == "two"


@pytest.mark.parametrize(
    ("openai", "own", "sent"),
    [
        (None, None, KEY),
        ("https://one.example/v1", None, KEY),
        ("https://one.example/v1", "https://one.example/v1/", KEY),
        ("https://one.example/v1", "https://two.example/v1", None),
        ("https://one.example/v1", "https://api.openai.com/v1", KEY),
        (None, "https://eu.api.openai.com/v1", KEY),
        (None, "https://api.openai.com:443/v1", KEY),
        (None, "http://api.openai.com/v1", None),
        (None, "https://api.openai.com.example/v1", None),
        (None, "https://example/api.openai.com", None),
        (None, "https://two.example/v1", None),
    ],
)
def test_the_key_for_openai_is_sent_only_where_it_was_meant_for(
    openai: str | None, own: str | None, sent: str | None
) -> None:
    given = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai or "", "LONGHAND_UPSTREAM_URL": own or ""}
    assert key_of(load(given)) == sent
    assert key_of(load(given | {"LONGHAND_UPSTREAM_API_KEY": "own"})) == "own"


OWN = [
    ("http://127.0.0.1:8440/v1", {}, 0),
    ("http://localhost:8440", {}, 0),
    ("http://[::1]:8440/v1/chat/completions", {}, 0),
    ("http://0.0.0.0:8440/v1/", {}, 0),
    ("http://LOCALHOST:9000/v1?key=x", {}, 9000),
    ("http://127.0.0.2:9000/v1", {"LONGHAND_URL": "http://localhost:9000"}, 0),
    ("https://longhand.example/v1", {"LONGHAND_URL": "https://longhand.example:443/"}, 0),
    ("https://example/longhand/v1", {"LONGHAND_URL": "https://example/longhand"}, 0),
]


@pytest.mark.parametrize(("upstream", "more", "port"), OWN)
@pytest.mark.parametrize("name", ["LONGHAND_UPSTREAM_URL", "OPENAI_BASE_URL"])
def test_longhand_itself_is_refused_as_the_upstream(name: str, upstream: str, more: dict[str, str], port: int) -> None:
    settings = load({name: upstream, "OPENAI_API_KEY": "lh_canary", **more})
    for refuse in (settings.check_upstream, settings.require_upstream_url):
        with pytest.raises(SettingsError, match=r"Longhand itself: set LONGHAND_UPSTREAM_URL to") as caught:
            refuse(port)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "upstream",
    [
        "http://127.0.0.1:8441/v1",
        "http://192.0.2.1:8440/v1",
        "https://127.0.0.1/v1",
        "http://127.0.0.1:8440/another/v1",
        "https://api.openai.com/v1",
    ],
)
def test_any_other_address_is_taken_as_the_upstream(upstream: str) -> None:
    assert load({"LONGHAND_UPSTREAM_URL": upstream}).require_upstream_url(8440) == upstream


def test_a_key_of_longhand_is_not_sent_to_an_upstream() -> None:
    own = "lh_" + KEY
    for environ in (
        {"LONGHAND_UPSTREAM_URL": "https://one.example/v1", "LONGHAND_UPSTREAM_API_KEY": own},
        {"OPENAI_BASE_URL": "https://one.example/v1", "OPENAI_API_KEY": own},
    ):
        with pytest.raises(SettingsError, match="begins with lh_") as caught:
            load(environ).require_upstream_url()
        assert KEY not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_commands_that_need_no_upstream_may_run_in_the_shell_of_a_program_that_uses_longhand() -> None:
    load({"OPENAI_BASE_URL": "http://127.0.0.1:8440/v1", "OPENAI_API_KEY": "lh_canary"})


def test_a_wrong_url_for_openai_is_told_under_the_name_that_was_set() -> None:
    [line] = problems({"OPENAI_BASE_URL": "nowhere"})
    assert line == "OPENAI_BASE_URL: must start with http:// or https:// (it is 'nowhere')"


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


def test_a_key_that_fits_in_no_header_is_refused() -> None:
    for wrong in ("sk one", "sk\none", "schl\u00fcssel"):
        assert problems({"LONGHAND_UPSTREAM_API_KEY": wrong}) == [
            "LONGHAND_UPSTREAM_API_KEY: must be one word of ASCII characters, as the endpoint gave it"
        ]


def test_the_line_break_after_a_key_from_a_file_is_no_part_of_it() -> None:
    assert key_of(load({"LONGHAND_UPSTREAM_API_KEY": "sk-one\n"})) == "sk-one"
    assert key_of(load({"LONGHAND_UPSTREAM_API_KEY": " \n"})) is None
