"""Every mistake in an upstreams file is told with its line, all of them at once, and no secret is told."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.upstreams.files import GOOD, mistakes_of, read

KEY = "sk-canary-4711"


WRONG_LINES = pytest.mark.parametrize(
    ("line", "told"),
    [
        ('nmae = "x"', "'nmae' is not a key; did you mean name?"),
        ('api_key = "x"', "'api_key' is not a key; did you mean api_key_"),
        ("models = []", 'models must be a list of texts, such as ["gpt-*"] (it is empty)'),
        ('models = ["a", 3]', "models must hold texts in quotes (number 2 is 3)"),
        ('models = ["gpt-[45"]', "models has a '[' that is not closed: 'gpt-[45'"),
        ('models = ["[!]"]', "models has a '[' that is not closed"),
        ('models = "gpt-*"', "models must be a list of texts"),
        ('rename = "x"', "rename must be a table"),
        ('rename = { "m" = 3 }', "rename must give the upstream's own name of 'm' as a text"),
        ('tier = "0"', "tier must be a whole number, without quotes (it is a text)"),
        ("tier = 1.5", "tier must be a whole number, without quotes (it is 1.5)"),
        ("tier = -1", "tier must be from 0 to 1000 (it is -1)"),
        ("weight = 0", "weight must be from 0.001 to 1000 (it is 0)"),
        ("weight = true", "weight must be a number, without quotes (it is true)"),
        ("weight = inf", "weight must be from 0.001 to 1000 (it is inf)"),
        ("max_streams = 0", "max_streams must be from 1 to"),
        (f"max_streams = {'9' * 400}", "max_streams must be from 1 to 1000000 (it is 9999"),
        (f"weight = {'9' * 400}", "weight must be from"),
        ("requests_per_minute = -5", "requests_per_minute must be above 0"),
        ("tokens_per_minute = nan", "tokens_per_minute must be above 0"),
        ("first_delta_seconds = 0", "first_delta_seconds must be above 0"),
        ("total_seconds = 1e12", "total_seconds must be above 0 and at most"),
        (
            "between_deltas_seconds = 2025-01-01",
            "between_deltas_seconds must be a number, without quotes (it is a date",
        ),
        ('prefix = "suffix"', "prefix must be one of none, assistant, prefix, continue_final_message (it is 'suffix')"),
        ('think_tags = "yes"', "think_tags must be true or false"),
        ("usage = 1", "usage must be true or false, without quotes (it is 1)"),
        ('proxy = "socks5://p:1"', "proxy must be like http://proxy.example:3128"),
        ('ca_file = "no/such.pem"', "ca_file names the file no/such.pem, which cannot be read here: No such file"),
        ('ca_file = "a\\u0000b"', "ca_file names a path with a NUL in it"),
        (
            'api_key_env = "SURELY_NOT_SET"',
            "api_key_env names the environment variable SURELY_NOT_SET, which is not set",
        ),
        (f'api_key_env = "{KEY}"', "api_key_env must name an environment variable"),
        ('api_key_env = "LONGHAND_KEY"', "api_key_env must not name a variable that begins with LONGHAND_"),
        ('api_key_file = "no/such"', "api_key_file names the file no/such, which cannot be read here: No such file"),
        ('headers = { "a b" = "x" }', "the header 'a b' is no name of a header"),
        ('headers = { Host = "x" }', "the header 'Host' is set by Longhand itself"),
        ("headers = { a = 1 }", "the header 'a' must be a text in quotes"),
        ('headers = { a = "x\\ny" }', "the header 'a' must be of printable ASCII characters"),
        ('headers = { a = "env:SURELY_NOT_SET" }', "the header 'a' names the environment variable SURELY_NOT_SET"),
        ('headers = { a = "x", A = "y" }', "the header 'A' is there twice, also as 'a'"),
        ("headers = [1]", "headers must be a table"),
        ("parameters = { max_tokens = true }", "the parameter 'max_tokens' must be another name for it, or false"),
        ("parameters = { max_tokens = [1] }", "the parameter 'max_tokens' must be another name for it, or false"),
        ('parameters = { a = "c", b = "c" }', "the parameter 'b' would be sent as 'c', as 'a' is"),
        ("parameters = { messages = false }", "the parameter 'messages' cannot be changed so: model, messages and"),
        ("price = { inptu = 1 }", "'inptu' is not a key; did you mean input?"),
        ("price = { input = -1 }", "input must be from 0 to"),
    ],
)


@WRONG_LINES
def test_a_wrong_value_is_told_with_its_line(line: str, told: str) -> None:
    [mistake] = mistakes_of(f"# above\n{GOOD}{line}\n\n[[project]]\nname = 'p'\nweight = 2\n")
    assert mistake.startswith(f"line 5: {told}")
    assert KEY not in mistake


WRONG_FILES = pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: there is no upstream in it: begin one with [[upstream]]"),
        ("upstream = 3", "line 1: each upstream begins with [[upstream]]"),
        ("\n[upstream]\nname = 'x'", "line 2: each upstream begins with [[upstream]]"),
        ("[[upstream]]\nname = 'one'\n", "line 1: this upstream has no url"),
        ("[[upstream]]\nurl = 'http://h'\n", "line 1: this upstream has no name"),
        ("\n[[upstreams]]\nname = 'one'", "line 2: 'upstreams' is not a key; did you mean upstream?"),
        (GOOD + GOOD, "line 5: there is an upstream 'one' on line 2 already"),
        (GOOD.replace("one.example", "localhost:8440"), "line 3: url is the address of Longhand itself"),
        (GOOD.replace("https://", f"https://user:{KEY}@"), "line 3: url must hold no user or password"),
        (GOOD.replace("https://one", f"one?key={KEY}"), "line 3: url must start with http:// or https://"),
        (GOOD.replace("one.example", "one.example:99999"), "line 3: url Port out of range"),
        (GOOD.replace('"one"', '"o ne"'), "line 2: name must be 1 to 64 of letters"),
        (GOOD + "name = 'two'", "line 4: this is not TOML: Cannot overwrite a value"),
        (GOOD + "tier = ", "line 4: this is not TOML: Invalid value"),
        (GOOD + "models = [", "line 4: this is not TOML: "),
        (GOOD + "[[project]]\nname = 'P'\nweight = 1", "line 5: name must be 1 to 64 of a-z"),
        (GOOD + "[[project]]\nname = 'p'", "line 4: this project has no weight"),
        (GOOD + "[[project]]\nweight = 1", "line 4: this project has no name"),
        (GOOD + "[[project]]\nname='p'\nweight=1\n" * 2, "line 8: the project 'p' has a weight already"),
        ("x = " + "[" * 50_000, "line 1: the file nests its values too deeply"),
    ],
)


@WRONG_FILES
def test_what_is_wrong_with_the_whole_is_told_with_its_line(text: str, told: str) -> None:
    [mistake] = mistakes_of(text)
    assert mistake.startswith(told)
    assert KEY not in mistake


def test_a_file_that_is_not_utf_8_is_told_with_the_line_of_the_first_wrong_byte() -> None:
    assert mistakes_of(GOOD.encode() + b"# caf\xe9") == ["line 4: the file is not text in UTF-8"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "[[upstream]]\nname = ''\nurl = 'x'\ntier = 'x'\n"
    text += "[[upstream]]\nname = 'b'\nurl = 'http://h'\nprice.input = 'x'\n"
    assert [mistake.split(":")[0] for mistake in mistakes_of(text)] == ["line 2", "line 3", "line 4", "line 8"]


def test_what_excludes_each_other_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    both = GOOD + "api_key_env = 'SOME_KEY'\napi_key_file = 'key'\n"
    [mistake] = mistakes_of(both, tmp_path, {"SOME_KEY": KEY})
    assert mistake == "line 5: there are both api_key_env and api_key_file: leave one of them out"
    twice = GOOD + f"api_key_file = 'key'\nheaders = {{ Authorization = '{KEY}' }}\n"
    [mistake] = mistakes_of(twice, tmp_path)
    assert mistake.startswith("line 5: the header 'Authorization' is what api_key_env or api_key_file sets")
    [mistake] = mistakes_of(GOOD + "models = ['gpt-*']\nrename = { o1 = 'x' }")
    assert mistake == "line 5: rename names 'o1', which models does not match: it would never be asked for"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"two words", "api_key_file must be one word of ASCII characters"),
        (b"\xff\xfe", "which is not text in UTF-8"),
        (b"lh_" + KEY.encode(), "holds a key that begins with lh_"),
        (b"x" * 70_000, "which is larger than 65536 bytes"),
    ],
)
def test_a_key_file_that_holds_no_key_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "key").write_bytes(content)
    [mistake] = mistakes_of(GOOD + 'api_key_file = "key"', tmp_path)
    assert mistake.startswith("line 4: ")
    assert told in mistake
    assert KEY not in mistake


def test_a_ca_file_without_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    [mistake] = mistakes_of(GOOD + 'ca_file = "ca.pem"', tmp_path)
    assert mistake == "line 4: ca_file names the file ca.pem, which holds no certificates in PEM form"


PIECES = st.sampled_from(
    [
        *(
            "[[upstream]]",
            "[upstream]",
            "[[project]]",
            "upstream",
            "name",
            "url",
            "models",
            "headers",
            "price",
            "rename",
        ),
        *("parameters", "api_key_env", "api_key_file", "ca_file", "proxy", "weight", "tier", "first_delta_seconds"),
        *("=", ".", ",", "[", "]", "{", "}", '"', "'", '"""', "'''", "#", "\n", "\n", " ", "\\", "\r", "\0", "\ufeff"),
        *(
            "true",
            "1",
            "-1",
            "0.5",
            "nan",
            "inf",
            "1979-05-27",
            '"x"',
            '"https://h/v1"',
            '"env:HOME"',
            '"file:/dev/zero"',
        ),
        *('"[a"', '""', "9" * 5000, '"http://[::1"', '"http://h:x"', '"file:"', '"~/x"', '"\\u0000"', '"\\ud800"', "é"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
def test_any_garbage_gives_upstreams_or_mistakes_with_lines(text: str) -> None:
    found = read(text.encode("utf-8", "surrogatepass"))
    assert found.mistakes or found.upstreams.specs
    assert all(1 <= mistake.line <= text.count("\n") + 1 for mistake in found.mistakes)


KEYS = st.sampled_from(
    [
        *("name", "url", "models", "headers", "price", "rename", "parameters", "api_key_env", "api_key_file"),
        *("ca_file", "proxy", "weight", "tier", "prefix", "first_delta_seconds", "max_streams", "usage", "typo"),
    ]
)
VALUES = st.recursive(
    st.sampled_from(
        [
            "true",
            "false",
            "1",
            "-1",
            "nan",
            "1e400",
            '"x"',
            '""',
            '"https://h/v1"',
            '"env:HOME"',
            '"file:x"',
            "1979-05-27",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(KEYS, inner, max_size=2).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + "}"
        )
    ),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=6), min_size=1, max_size=3))
def test_any_values_for_the_keys_give_upstreams_or_mistakes_with_lines(tables: list[dict[str, str]]) -> None:
    lines = []
    for table in tables:
        lines += ["[[upstream]]", *(f"{key} = {value}" for key, value in table.items())]
    found = read("\n".join(lines))
    assert found.mistakes or len(found.upstreams.specs) == len(tables)
    assert all(1 <= mistake.line <= len(lines) for mistake in found.mistakes)
