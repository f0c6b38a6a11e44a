"""What the Chinese troubleshooting quotes is what the command and the page say, word for word."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from longhand.terminal.waiting_words import hold_sentence
from longhand.words.catalogue import Language, Part, entries, speaking, t, translated
from tests.stack.running_up import ROOT

DOCUMENT = (ROOT / "docs" / "zh-CN" / "troubleshooting.md").read_text()
PARTS: dict[Language, tuple[Part, ...]] = {"en": ("", "_help", "_errors"), "zh": ("", "_help", "_errors", "_codes")}
HOLDS = [
    ("upstream", "credit"),
    ("upstream", "key"),
    ("upstream", "away"),
    ("upstream", "limit"),
    ("batch", "paused"),
    ("model", "paused"),
]


def of_the_page(language: Language) -> Iterator[str]:
    """Every text in the catalogue of the page."""
    for path in (ROOT / "api" / "page").glob(f"words_{language}*.js"):
        yield from re.findall(r'"((?:[^"\\\n]|\\.)+)"', path.read_text())


def sentences(language: Language) -> str:
    """All that is said in a language, one sentence a line, and those that are put together of several."""
    said = [*of_the_page(language)]
    for part in PARTS[language]:
        for entry in entries(language, part).values():
            said += [entry] if isinstance(entry, str) else entry.values()
    with speaking(language):
        said.append(t("up.cannot_listen", host="127.0.0.1", port=8440, why=translated("Address already in use")))
        for kind, cause in HOLDS:
            hold: Any = {"kind": kind, "target": "x", "reason": cause, "since": 0, "message": "", "held_by": "system"}
            said.append(hold_sentence({**hold, "probe_at": None}))
    return "\n".join(one.replace("\n", " ") for one in said)


def rows(document: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """The first cell of each row, the Chinese that it quotes, and the English that it names in parentheses."""
    for line in document.splitlines():
        cell = line.split(" | ")[0]
        if line.startswith("| ") and not line.startswith("|---"):
            yield cell, re.findall("“(.+?)”", cell), re.findall("（`([^`]+)`）", cell)


def is_said(quoted: str, said: str) -> bool:
    """Whether a sentence has these words; an ellipsis stands for a value."""
    return re.search(".+?".join(map(re.escape, re.split(" ?…… ?", quoted))).replace(r"\ ", " ?"), said) is not None


def test_each_quoted_message_is_what_the_product_says() -> None:
    chinese, english = sentences("zh"), sentences("en")
    quoted = [(cell, one, chinese) for cell, ours, _ in rows(DOCUMENT) for one in ours]
    named = [(cell, one, english) for cell, _, theirs in rows(DOCUMENT) for one in theirs]
    assert len(quoted) > 25
    assert len(named) > 10
    assert [(cell, one) for cell, one, said in (*quoted, *named) if not is_said(one, said)] == []


@pytest.mark.parametrize("quoted", ["接口 …… 自 …… 起没有钱", "磁盘已经满了", "没有名为 …… 的东西"])
def test_a_message_that_is_quoted_wrongly_would_be_found(quoted: str) -> None:
    assert not is_said(quoted, sentences("zh"))
