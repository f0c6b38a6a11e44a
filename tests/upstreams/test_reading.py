"""What an upstreams file says is what the workers are given."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from jobs.proxy import Proxy
from jobs.settings import SettingsError
from jobs.upstreams import DEFAULT_UPSTREAM, Price, UpstreamSource, UpstreamSpec
from tests.upstreams.files import GOOD, read, settings_of

KEY = "sk-canary-4711"

WHOLE = """\
[[upstream]]
name = "openai-1"
url = "https://api.openai.com/v1/"
api_key_env = "OPENAI_KEY_1"
models = ["gpt-*", "o[134]"]
rename = { "gpt-4.1" = "openai/gpt-4.1" }
tier = 1
weight = 2.5
max_streams = 64
requests_per_minute = 500
tokens_per_minute = 200000
first_delta_seconds = 600
between_deltas_seconds = 90
total_seconds = 7200
prefix = "assistant"
headers = { "x-team" = "news", "x-secret" = "file:header" }
parameters = { max_tokens = "max_completion_tokens", stream_options = false }
think_tags = true
loop_guard = false
usage = false
proxy = "http://user:pass@proxy.example:3128"
price = { input = 2.0, cached = 0.5, output = 8 }

[[project]]
name = "newsroom"
weight = 3
"""


def test_every_key_is_taken(tmp_path: Path) -> None:
    (tmp_path / "header").write_text("  s3cret\\n".replace("\\n", "\n"))
    found = read(WHOLE, tmp_path, {"OPENAI_KEY_1": f"{KEY}\n"})
    assert found.mistakes == ()
    assert found.upstreams.specs == (
        UpstreamSpec(
            name="openai-1",
            url="https://api.openai.com/v1",
            api_key=SecretStr(KEY),
            models=("gpt-*", "o[134]"),
            rename={"gpt-4.1": "openai/gpt-4.1"},
            tier=1,
            weight=2.5,
            max_streams=64,
            requests_per_minute=500,
            tokens_per_minute=200_000,
            first_delta_seconds=600,
            between_deltas_seconds=90,
            total_seconds=7200,
            prefix="assistant",
            headers={"x-team": SecretStr("news"), "x-secret": SecretStr("s3cret")},
            parameters={"max_tokens": "max_completion_tokens", "stream_options": False},
            think_tags=True,
            loop_guard=False,
            usage=False,
            proxy=Proxy("proxy.example", 3128, "Basic dXNlcjpwYXNz"),
            prices=(Price(2.0, 0.5, 8.0),),
        ),
    )
    assert found.also_read == {tmp_path / "header"}
    assert found.upstreams.project_weights == {"newsroom": 3}


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    text = WHOLE.replace("file:header", KEY).replace("/v1/", f"/v1?key={KEY}")
    found = read(text, tmp_path, {"OPENAI_KEY_1": KEY})
    assert found.mistakes == ()
    assert KEY not in repr(found)
    assert "dXNlcjpwYXNz" not in repr(found)
    assert found.upstreams.specs[0].address == "https://api.openai.com/v1"


def test_what_the_file_leaves_open_comes_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "upstreams.toml").write_text(GOOD + "total_seconds = 50\n")
    settings = settings_of(
        upstreams=tmp_path / "upstreams.toml", first_delta_seconds=7, total_seconds=70, loop_guard=False
    )
    [spec] = UpstreamSource(settings).current().specs
    assert (spec.first_delta_seconds, spec.between_deltas_seconds, spec.total_seconds) == (7, 180, 50)
    assert not spec.loop_guard


def test_models_are_taken_by_pattern_and_renamed() -> None:
    found = read(
        "[[upstream]]\nname='b'\nurl='http://b/v1'\ntier=1\n"
        "[[upstream]]\nname='a'\nurl='http://a/v1'\nmodels=['gpt-4.?', 'o*', 'x/y[[]z']\nrename={'gpt-4.1'='g'}\n"
    ).upstreams
    a, b = found.find("a"), found.find("b")
    assert a is not None
    assert b is not None
    assert [a.takes(model) for model in ("gpt-4.1", "gpt-4.10", "GPT-4.1", "o", "o3/mini", "x/y[z")] == [
        *(True, False, False),
        *(True, True, True),
    ]
    assert (a.model_name("gpt-4.1"), a.model_name("gpt-4.2")) == ("g", "gpt-4.2")
    assert found.for_model("gpt-4.1") == (a, b)
    assert found.for_model("llama") == (b,)
    assert found.find("c") is None


def test_the_proxy_of_the_environment_counts_unless_the_file_says_otherwise() -> None:
    environ = {"HTTPS_PROXY": "http://proxy.example:3128"}
    assert read(GOOD, environ=environ).upstreams.specs[0].proxy == Proxy("proxy.example", 3128)
    assert read(GOOD + 'proxy = "none"', environ=environ).upstreams.specs[0].proxy is None
    [mistake] = read(GOOD, environ={"HTTPS_PROXY": "socks5://h:1"}).mistakes
    assert str(mistake).startswith("line 3: this upstream cannot be reached: HTTPS_PROXY")


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read("\ufeff" + GOOD).mistakes == ()


def test_without_a_file_the_url_means_one_upstream_named_default() -> None:
    settings = settings_of(
        LONGHAND_UPSTREAM_URL="https://one.example/v1",
        LONGHAND_UPSTREAM_API_KEY=KEY,
        upstream_headers='{"api-key": "env:HOME"}',
        upstream_parameters='{"max_tokens": "max_completion_tokens", "stream_options": false}',
        upstream_think_tags=True,
        upstream_usage=False,
        upstream_prefix="prefix",
        first_delta_seconds=7,
        loop_guard=False,
    )
    [spec] = UpstreamSource(settings).current().specs
    assert (spec.name, spec.url, spec.api_key) == (DEFAULT_UPSTREAM, "https://one.example/v1", SecretStr(KEY))
    assert spec.headers["api-key"].get_secret_value().startswith("/")
    assert spec.parameters == {"max_tokens": "max_completion_tokens", "stream_options": False}
    assert (spec.think_tags, spec.usage, spec.prefix, spec.first_delta_seconds) == (True, False, "prefix", 7)
    assert not spec.loop_guard
    assert spec.takes("anything/at-all")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "LONGHAND_UPSTREAM_URL is not set"),
        ({"upstream_headers": '{"host": "x"}'}, "LONGHAND_UPSTREAM_HEADERS: the header 'host' is set by Longhand"),
        ({"upstream_headers": '{"Authorization": "x"}'}, "LONGHAND_UPSTREAM_HEADERS sets authorization, as"),
        ({"upstream_parameters": '{"n": true}'}, "LONGHAND_UPSTREAM_PARAMETERS: the parameter 'n' must be"),
    ],
)
def test_a_mistake_in_the_environment_is_told_by_the_name_of_its_setting(given: dict[str, str], told: str) -> None:
    more = {"LONGHAND_UPSTREAM_URL": "https://one.example/v1", "LONGHAND_UPSTREAM_API_KEY": KEY} if given else {}
    with pytest.raises(SettingsError) as caught:
        UpstreamSource(settings_of(**more, **given))
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_process_that_sends_no_jobs_needs_no_upstream_and_no_keys(tmp_path: Path) -> None:
    assert UpstreamSource(settings_of(), needs_keys=False).current().specs == ()
    (tmp_path / "upstreams.toml").write_text(GOOD + 'api_key_env = "SURELY_NOT_SET"\n')
    settings = settings_of(upstreams=tmp_path / "upstreams.toml")
    [spec] = UpstreamSource(settings, needs_keys=False).current().specs
    assert spec.api_key is None
    with pytest.raises(SettingsError, match=r"upstreams.toml, line 4: api_key_env names the environment variable"):
        UpstreamSource(settings)
