"""What Longhand itself says of a mistake is Chinese with its values; only what others say is quoted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.acceptance.rejections import find_rejections
from jobs.inputs.reading import ReadOptions
from longhand.cli.submission import Options, read_submission
from longhand.client.errors import InputError
from longhand.terminal.explanations import explained, reason, with_meaning
from longhand.words.catalogue import speaking, translated
from worker.answer_check import NotAccepted


@pytest.fixture(autouse=True)
def _chinese() -> Iterator[None]:
    with speaking("zh"):
        yield


TABLE = "topic,tone\n茶,短\n"


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (TABLE, {"template": "{foo}"}, "模板中的 {foo} 不是列名；现有的列：topic, tone"),
        (TABLE, {"template": "{Topic}"}, "模板中的 {Topic} 不是列名，您是否想用 {topic}？现有的列：topic, tone"),
        (TABLE, {}, "没有把每一行变成提示词的模板：请用 --template"),
        (TABLE, {"template": "abc"}, "模板中没有列名，每一行的提示词都会相同"),
        (TABLE, {"template": "a{b"}, "模板的第 2 个字符是单个 {：要写出它，请写两个"),
        (TABLE, {"template": "{topic}", "encoding": "foo"}, "'foo' 不是编码：请用 utf-8"),
        (TABLE, {"template": "{topic}", "id_column": "x"}, "'x' 不是列名；现有的列：topic, tone"),
        (TABLE + "a,b,c\n", {"template": "{topic}"}, "有 3 个单元格，而表头有 2 列：含有分隔符的单元格请加引号"),
        (TABLE + "a\n", {"template": "{topic}"}, "有 1 个单元格，而表头有 2 列：请补上缺少的单元格"),
        (TABLE + ",b\n", {"template": "关于{topic}"}, "{topic} 是空的：请填写这个单元格"),
        (TABLE + '"a,b\n', {"template": "{topic}"}, "引号在这里打开后没有关闭"),
        ("a,b,a\n", {"template": "{a}"}, "第 1 列和第 3 列同名（'a'）：请改掉其中一个"),
        (TABLE, {"template": "{topic}", "delimiter": "ab"}, "'ab' 不能作分隔符：请用 , ; | 或 tab"),
        ("PK\x03\x04", {}, "文件是 Excel 工作簿或其他 ZIP 压缩包，不是文本：请用原来的程序打开"),
    ],
)
def test_a_mistake_in_a_table_is_told_in_chinese_alone(
    table: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text(table)
    with pytest.raises(InputError) as raised:
        read_submission(str(file), Options("m", ReadOptions(**options)))
    assert said in str(raised.value)
    assert "原文" not in str(raised.value)


def test_notes_of_a_table_are_chinese(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes((TABLE + ",\n关于中国茶文化的历史与春节的习俗,长\n").encode("gb18030"))
    remarks = "\n".join(read_submission(str(file), Options("m", ReadOptions("{topic}"))).remarks)
    assert "第 3 行是空行，已忽略" in remarks
    assert "（根据内容推测）；如果文字不对，请用 --encoding 指明编码" in remarks
    assert "原文" not in remarks


def test_a_text_that_is_not_accepted_is_told_by_its_rules() -> None:
    found = find_rejections({"min_words": 300, "must_include": ["茶"]}, "one two three", cut_short=False)
    failed = {"error": {"code": "not_accepted", "message": str(NotAccepted(found))}}
    assert reason(failed) == 'not_accepted：未通过验收：要求至少 300 字，实际 3 字；要求包含 "茶"，但没有'
    [one] = find_rejections({"min_words": 300}, "one", cut_short=False)
    failed = {"error": {"code": "not_accepted", "message": str(NotAccepted([one]))}}
    assert reason(failed) == "not_accepted：未通过验收：要求至少 300 字，实际 1 字"


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("not_found", "no job has the id 'job_123'", "您的项目中没有任务 'job_123'"),
        ("not_ended", "the job is in_progress: cancel it first", "任务生成中，请先取消"),
        ("already_ended", "the batch has ended as completed and cannot be cancelled", "批次已完成，不能再取消"),
        (None, "'batch_1' is not the id of a job, which begins with job_", "'batch_1' 不是任务的编号"),
        ("upstream_rejected", "no such model", "接口拒绝了请求（原文：no such model）"),
        (
            "invalid_webhook_url",
            "url: its address 10.0.0.1 is not a global one; LONGHAND_WEBHOOK_ALLOW permits a network of your own",
            "地址指向 10.0.0.1，不是公网地址；要允许自己的网段，请设 LONGHAND_WEBHOOK_ALLOW",
        ),
        ("wrong_template", "'x' in the template is not a column: the columns are id, topic, words, reader", "模板中的"),
        ("not_found", "something that nobody has translated", "您的项目中没有这个编号（原文："),
        (
            "invalid_api_key",
            "some quite new words (here: set LONGHAND_API_KEY, or Client(api_key=...))",
            "没有密钥，或密钥未知",
        ),
    ],
)
def test_the_original_is_shown_only_where_there_is_no_chinese(code: str | None, message: str, said: str) -> None:
    assert with_meaning(code, message).startswith(said)
    assert explained(ValueError(message)) == translated(message)


def test_a_language_that_is_none_is_a_mistake_in_the_language_of_the_locale() -> None:
    said = translated("LONGHAND_LANG: Input should be 'en' or 'zh' (it is 'de')")
    assert said == "LONGHAND_LANG：只能是 'en' 或 'zh'（现在是 'de'）"
