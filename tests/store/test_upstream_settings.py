"""The upstream's address and key: Longhand itself is refused, and a key is sent only where it was meant for."""

import pytest

from jobs.settings import SettingsError
from tests.store.reading_settings import KEY, _nothing_is_set, key_of, load, problems

__all__ = ["_nothing_is_set"]  # a fixture


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


def test_a_key_that_fits_in_no_header_is_refused() -> None:
    for wrong in ("sk one", "sk\none", "schl\u00fcssel"):
        assert problems({"LONGHAND_UPSTREAM_API_KEY": wrong}) == [
            "LONGHAND_UPSTREAM_API_KEY: must be one word of ASCII characters, as the endpoint gave it"
        ]


def test_the_line_break_after_a_key_from_a_file_is_no_part_of_it() -> None:
    assert key_of(load({"LONGHAND_UPSTREAM_API_KEY": "sk-one\n"})) == "sk-one"
    assert key_of(load({"LONGHAND_UPSTREAM_API_KEY": " \n"})) is None
