"""The sentences that the server writes in English are Chinese on the Chinese page, with their values."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobs.acceptance.rejections import find_rejections
from jobs.inputs.mistakes import MistakeError
from jobs.inputs.reading import InputFile, ReadOptions
from worker.answer_check import NotAccepted

PAGE = Path(__file__).parents[2] / "api" / "page"
ASK = """
globalThis.document = { documentElement: { lang: "zh-CN" } };
const { inOurWords, whyRejected } = await import(process.argv[1]);
const { told, rejected } = JSON.parse(process.argv[2]);
console.log(JSON.stringify([told.map(inOurWords), rejected.map(whyRejected)]));
"""


def in_chinese(told: list[str], rejected: list[str]) -> list[list[str]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    question = json.dumps({"told": told, "rejected": rejected})
    asked = [node, "--input-type=module", "-e", ASK, str(PAGE / "told.js"), question]
    answers: list[list[str]] = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    return answers


def told_of(table: str, template: str | None, encoding: str = "utf-8", kind: str = ".csv") -> list[str]:
    """What is said of this file: its mistakes and its notes."""
    file: Any = io.BufferedReader(io.BytesIO(table.encode(encoding)))
    try:
        read = InputFile(file, kind, ReadOptions(template=template), max_line_bytes=1000)
        mistakes = [one.message for one in read.lines() if isinstance(one, MistakeError)]
    except MistakeError as mistake:
        return [mistake.message]
    return [*mistakes, *(note["message"] for note in read.notes.as_json())]


def test_what_is_wrong_with_a_table_is_chinese_with_its_values() -> None:
    ask = "写{主题}"
    cases = [
        ("主题,字数\n茶,3,多\n", ask, "有 3 个单元格，但只有 2 列"),
        ("主题,字数\n茶\n", ask, "只有 1 个单元格，但有 2 列"),
        ('主题,字数\n"多\n行",1\n茶\n', ask, "第 3 行：只有 1 个单元格"),
        ("主题,字数\n茶,3\n", "写{主", "单独的 {"),
        ("主题,字数\n茶,3\n", "写{主题名}", "您是否想用 {主题}？现有的列：主题, 字数"),
        ("主题,字数\n茶,3\n", "写{title}", "{title} 不是列名。现有的列：主题, 字数"),
        ("主题,字数\n茶,3\n", "写茶", "没有引用任何列"),
        ("主题,字数\n茶,3\n", None, "例如“写一篇关于 {主题} 的文章”"),
        ("主题,字数\n,3\n", ask, "{主题} 是空的"),
        ("主题,,字数\n茶,,3\n", ask, "第 2 列没有名称"),
        ("主题,字数\n茶,3\n,\n", ask, "已忽略没有内容的行"),
    ]
    told = [told_of(table, template) for table, template, _ in cases]
    assert all(len(one) == 1 for one in told), told
    guessed = told_of("主题\n" + "茶文化与书法\n" * 40, ask, "gb18030")
    assert len(guessed) == 1, guessed
    shown, _ = in_chinese([*(one[0] for one in told), *guessed], [])
    for words, (_, _, expected) in zip(shown, [*cases, ("", "", "这是根据内容推测的")], strict=True):
        assert expected in words, words
        assert not re.search(r"[a-z]+ [a-z]+", words), words


def test_why_a_text_was_not_accepted_is_chinese_with_its_values() -> None:
    rules = {
        "min_words": 300,
        "must_include": ["粽子", {"pattern": "a; b"}],
        "must_not_include": ["Rain"],
        "ends_well": True,
        "language": "zh",
    }
    text = "Rain falls on the town, and nobody goes out"
    several = NotAccepted(find_rejections(rules, text, cut_short=False))
    one = NotAccepted(find_rejections({"max_words": 2}, "茶文化", cut_short=False))
    cut = NotAccepted(find_rejections({"ends_well": True}, "茶", cut_short=True))
    _, shown = in_chinese([], [str(several), str(one), str(cut), "Something else"])
    assert shown == [
        (
            "未通过验收：要求至少 300 字，实际 9 字；缺少“粽子”；缺少符合“a; b”的内容；含有“Rain”；"
            '结尾不完整，最后一句没有写完："Rain falls on the town, and nobody goes out"；语言要求 zh，实际 en。'
        ),
        "未通过验收：要求最多 2 字，实际 3 字。",
        "未通过验收：结尾不完整，在 token 上限处或被内容过滤器截断。",
        None,
    ]
