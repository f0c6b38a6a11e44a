"""Every mistake in an upstreams file is told in Chinese, its values as they are, and so is what holds an upstream."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from longhand.terminal.explanations import with_meaning
from longhand.words.catalogue import speaking, translated
from tests.stack.running_up import ROOT
from tests.upstreams.files import GOOD, read
from tests.upstreams.test_mistakes import WRONG_FILES, WRONG_LINES
from worker.upstream.errors import URL_SETTING


@pytest.fixture(autouse=True)
def _chinese() -> Iterator[None]:
    with speaking("zh"):
        yield


def english_in(said: str) -> list[str]:
    """Words of English that follow one another; not those of values, which stand in quotes, nor names of keys."""
    said = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`|（原文：.*|[\w.*-]+(?:, [\w.*-]+)+", "", said)
    return re.findall(r"[A-Za-z]{2,} [a-z]{2,}(?: [a-z]+)*", said.replace("true 或 false", ""))


def is_chinese(said: str) -> bool:
    return bool(re.search("[\u3400-\u9fff]", said)) and not english_in(said)


@WRONG_LINES
def test_a_wrong_value_is_told_in_chinese(line: str, told: str) -> None:
    [mistake] = read(f"{GOOD}{line}\n").mistakes
    assert is_chinese(translated(mistake.message)), translated(mistake.message)


@WRONG_FILES
def test_what_is_wrong_with_the_whole_is_told_in_chinese(text: str, told: str) -> None:
    [mistake] = read(text).mistakes
    assert is_chinese(translated(mistake.message)), translated(mistake.message)


def messages_in(source: str) -> Iterator[str]:
    """What is noted or raised in it, each value as a number."""
    for node in ast.walk(ast.parse(source)):
        name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in (
            "note",
            "Mistake",
            "ValueError",
            "SecretMissingError",
            "_unreadable",
        ):
            for one in node.args:
                if isinstance(one, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in one.values)
                elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value


def test_every_mistake_that_the_code_can_note_has_its_chinese() -> None:
    found = {
        message
        for path in (ROOT / "jobs" / "upstreams").glob("*.py")
        for message in messages_in(path.read_text())
        if re.search("[a-z]{2,} [a-z]{2,}", message) and message != "7 is not a key7"  # its end is a value: see above
    }
    assert len(found) > 40
    assert {message for message in found if not is_chinese(translated(message))} == set()


def test_a_mistake_without_chinese_would_be_found() -> None:
    assert not is_chinese(translated("tier is what nobody has translated"))
    assert list(messages_in('table.note(f"{key} is {n} times new", "key")')) == ["7 is 7 times new", "key"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "The upstream's account is out of credit (HTTP 402): Insufficient Balance of your account",
            "接口的账户余额不足（HTTP 402）（原文：Insufficient Balance of your account）",
        ),
        ("The upstream failed (HTTP 503), and nothing more", "接口出错（HTTP 503），没有更多说明"),
        (
            "The upstream refuses the key (HTTP 401); check it, and what it may do: Payload too large",
            "接口拒绝所用的密钥（HTTP 401）；请检查密钥和它的权限（原文：Payload too large）",
        ),
        (
            "No connection to 127.0.0.1:9: Connect call failed ('127.0.0.1', 9). Check that it is running.",
            "无法连接 127.0.0.1:9：连接失败 ('127.0.0.1', 9)；请确认它在运行",
        ),
        (
            f"The host name of api.no has no address. Check {URL_SETTING}, and the network's DNS.",
            "主机名 api.no 没有对应的地址；请检查接口文件中的 `url`，或 LONGHAND_UPSTREAM_URL，以及网络的 DNS",
        ),
    ],
)
def test_what_an_upstream_was_held_for_is_told_once_and_what_it_said_is_quoted(message: str, said: str) -> None:
    assert translated(message) == with_meaning("upstream_server_error", message) == said


def test_a_file_that_the_stack_cannot_start_with_is_told_in_chinese(tmp_path: Path) -> None:
    said = translated(f"LONGHAND_UPSTREAMS: {tmp_path}/upstreams.toml, line 5: 'nmae' is not a key; did you mean name?")
    assert said == f"LONGHAND_UPSTREAMS：{tmp_path}/upstreams.toml 第 5 行：'nmae' 不是可用的键，您是否想用 name？"
