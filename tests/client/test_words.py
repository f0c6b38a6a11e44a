"""The words of the command: both languages have all of them, and neither the code nor JSON has any."""

import ast
import os
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from longhand.words.catalogue import Entry, Part, entries
from tests.stack.running_up import ROOT, environ_of, longhand

PARTS: tuple[Part, ...] = ("", "_help", "_errors")
ROOMS = ("cli", "demo", "stack", "terminal")
_CHINESE = re.compile("[\u3400-\u9fff]")
_ALLOWED = {
    "Failed listening": "what Valkey logs, looked for in its log",
}
"""What looks like a sentence in the code and is none, and why."""


def forms(entry: Entry) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry.values())


def values_in(entry: Entry) -> set[str]:
    return {name for form in forms(entry) for _, name, _, _ in string.Formatter().parse(form) if name}


@pytest.mark.parametrize("part", PARTS)
def test_both_languages_have_the_same_keys_and_values(part: Part) -> None:
    english, chinese = entries("en", part), entries("zh", part)
    assert set(english) == set(chinese)
    if part != "_help":  # braces in a help are no values
        literal = {"submit.accept_no_object"}
        assert [
            key for key in english if key not in literal and values_in(english[key]) != values_in(chinese[key])
        ] == []


def test_every_sentence_is_chinese_in_chinese() -> None:
    for part in PARTS:
        chinese = entries("zh", part)
        plain = [key for key, entry in chinese.items() if not any(map(_CHINESE.search, forms(entry)))]
        # What is left are values, names and marks.
        assert [key for key in plain if len(re.findall("[a-z]{2,}", re.sub(r"{.*?}", "", str(chinese[key])))) > 1] == []


@pytest.mark.parametrize("key", ["up.ending_perhaps", "up.ending_unfinished", "pause.released"])
def test_what_goes_back_to_the_queue_is_said_to_be_paid_again_and_never_to_be_uncharged(key: str) -> None:
    assert "pay for them again, unless the upstream can continue a text" in str(entries("en")[key])
    assert "再次付费，除非接口能接着写" in str(entries("zh")[key])
    said = [entry for part in PARTS for entry in map(str, entries("en", part).values())]
    assert [entry for entry in said if "uncharged" in entry] == []


def literal_keys() -> Iterator[tuple[str, str]]:
    """The keys that the code names, and the first parts of those that it puts together."""
    for path in (ROOT / "longhand").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t" and node.args:
                for one in ast.walk(node.args[0]):
                    if isinstance(one, ast.JoinedStr):
                        yield "start", str(getattr(one.values[0], "value", ""))
                    elif (
                        isinstance(one, ast.Constant)
                        and isinstance(one.value, str)
                        and re.fullmatch(r"\w+(\.\w+)+", one.value)
                    ):
                        yield "key", one.value


def test_every_sentence_that_the_code_asks_for_is_there() -> None:
    found = set(literal_keys())
    english = entries("en")
    assert len(found) > 150
    assert [key for kind, key in found if kind == "key" and key not in english] == []
    assert [start for kind, start in found if kind == "start" and not any(k.startswith(start) for k in english)] == []


def test_no_sentence_of_the_catalogue_is_out_of_use() -> None:
    code = "".join(path.read_text() for path in (ROOT / "longhand").rglob("*.py"))
    put_together = tuple(
        f"{start}."
        for start in "cut_short declared heading held hold lane limit shown source state status up wanted".split()  # noqa: SIM905
    )
    assert [key for key in entries("en") if not key.startswith(put_together) and f'"{key}"' not in code] == []


def shown_in(node: ast.Call) -> Iterator[str]:
    """The texts among the arguments of a call: not those inside of another call."""
    waiting: list[ast.AST] = [*node.args, *(one.value for one in node.keywords if "style" not in str(one.arg))]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif not isinstance(one, ast.Call):
            waiting += ast.iter_child_nodes(one)


def sentences_in(source: str) -> list[str]:
    """Texts of at least two words that the code passes to anything that may show them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if re.search(r"^_?(print|echo|report|say|confirm|status|Text|Panel|Table|Option|Argument|Typer)|Error$|"
                         r"^(add_column|add_row|append|print_line|complain)$", name):  # fmt: skip
                found += [text for text in shown_in(node) if re.search(r"[A-Za-z]{2,}[,;:]? [A-Za-z]{2,}", text)]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_no_sentence_stands_in_the_code(room: str) -> None:
    found = {str(path.relative_to(ROOT)): sentences_in(path.read_text()) for path in ROOT.glob(f"longhand/{room}/*.py")}
    assert found
    assert {name: said for name, texts in found.items() if (said := [x for x in texts if x not in _ALLOWED])} == {}


def test_a_sentence_in_the_code_is_found() -> None:
    assert sentences_in('print_line(f"{name}: there is none", err=True)') == [": there is none"]
    assert sentences_in('raise InputError("LONGHAND_URL: " + what)') == []
    assert sentences_in('raise InputError("give one name " + what)') == ["give one name "]


def strings_in_code() -> list[str]:
    """Every text that is written in the rooms whose errors the command shows."""
    rooms = ("jobs", "api", "worker", "longhand/client")
    paths = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text())))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_every_english_error_is_still_written_like_this() -> None:
    written = strings_in_code()
    for key, template in entries("en", "_errors").items():
        # Typer's, the system's and those of Python's TOML are not ours, and one is put together from words.
        if not key.startswith(("typer.", "system.", "toml.")) and key not in ("waits.no_upstream", "settings.one_of"):
            parted = re.split(r"\{\w+\}|; |: |\? | \(|asked for |, found ", str(template))
            pieces = [piece for piece in parted if len(piece) > 6]
            assert [piece for piece in pieces if not any(piece in text for text in written)] == [], key


def test_every_code_has_its_meaning_in_chinese() -> None:
    document = (ROOT / "docs" / "errors.md").read_text()
    rows = re.findall(r"^\| (?:\d[\d, ]*\| )?((?:`[a-z_]+`(?:, )?)+) \|", document, flags=re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert len(codes) > 80
    for path in (ROOT / "jobs" / "inputs").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and node.args and name.endswith(("MistakeError", "notes.add")):
                codes |= {one.value for one in [node.args[0]] if isinstance(one, ast.Constant)}
    assert codes - set(entries("zh", "_codes")) == {"code"}  # the head of the table


def test_json_is_the_same_in_every_language(tmp_path: Path) -> None:
    said = set()
    for language in ("en", "zh"):
        environ = environ_of(tmp_path, {"LONGHAND_API_KEY": "lh_x", "LONGHAND_LANG": language})
        ran = longhand("settings", "--json", environ=environ)
        assert ran.returncode == 0
        said.add(ran.stdout.replace('"value": "zh"', '"value": "en"'))
    assert len(said) == 1
    assert os.environ.get("LONGHAND_LANG") is None
