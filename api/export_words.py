"""The words of exports that people read, CSV and Markdown, in the language that the request asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from jobs.model.status import CUT_SHORT_WORDS

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class ExportWords:
    """The sentences of the Markdown document, and of the remarks in a ZIP."""

    article: str
    called: str
    no_reason: str
    not_completed: str
    not_yet: str
    written: str
    cut: str
    """With why, and the word of the API."""
    cut_reasons: Mapping[str, str]
    cut_anyhow: str
    statuses: Mapping[str, str]
    remark: str
    """With what it is about, and what is to be said of it."""
    because: str
    """With what, and why."""
    only_calls: str
    incomplete: str
    no_text: str

    def cut_reason(self, incomplete: str | None) -> str:
        """That a text was cut short, in a few words."""
        return self.cut_reasons.get(incomplete or "", self.cut_anyhow)

    def cut_short(self, incomplete: str) -> str:
        """That a text was cut short, and why."""
        return self.cut.format(self.cut_reason(incomplete), incomplete)

    def status(self, status: str) -> str:
        """A status as this language says it."""
        return self.statuses.get(status, status)


WORDS: Mapping[Language, ExportWords] = {
    "en": ExportWords(
        article="Article {}",
        called="Called `{}`:",
        no_reason="no reason given",
        not_completed="Not completed: {} ({}).",
        not_yet="Not completed yet: {}.",
        written="What it had written:",
        cut="This text was {} ({}).",
        cut_reasons=CUT_SHORT_WORDS,
        cut_anyhow="cut short",
        statuses={},
        remark="{}: {}",
        because="{} ({})",
        only_calls="no text, but a tool call",
        incomplete="incomplete",
        no_text="no text",
    ),
    "zh": ExportWords(
        article="第 {} 篇",
        called="调用了 `{}`：",
        no_reason="没有说明原因",
        not_completed="未完成：{}（{}）。",
        not_yet="尚未完成：{}。",
        written="已写出的部分：",
        cut="这篇正文{}（{}）。",
        cut_reasons={
            "max_output_tokens": "达到 token 上限而被截断",
            "context_window": "因模型的上下文窗口已满而被截断",
            "content_filter": "被接口的内容过滤截断",
            "no_end_sign": "可能被截断：接口没有说明正文已完整",
            "doubtful_seam": "接缝处存疑：那里可能缺字、重复，或是模型自己的话",
        },
        cut_anyhow="被截断",
        statuses={
            "queued": "排队中",
            "in_progress": "生成中",
            "failed": "失败",
            "cancelled": "已取消",
            "expired": "已过期",
        },
        remark="{}：{}",
        because="{}（{}）",
        only_calls="没有正文，但调用了工具",
        incomplete="正文不完整",
        no_text="没有正文",
    ),
}

_CHINESE_COLUMNS = {
    "index": "序号",
    "id": "任务编号",
    "custom_id": "自定义编号",
    "status": "状态",
    "finish_reason": "结束原因",
    "model": "模型",
    "text": "正文",
    "partial_text": "未完成的正文",
    "input_tokens": "输入 token",
    "output_tokens": "输出 token",
    "total_tokens": "token 合计",
    "usage_source": "token 来源",
    "text_tokens": "正文 token",
    "attempt": "尝试次数",
    "error_code": "错误码",
    "error_message": "错误说明",
    "created_at": "创建时间",
    "started_at": "开始时间",
    "finished_at": "结束时间",
    "bytes": "字节",
    "sha256": "SHA-256",
    "metadata": "元数据",
    "incomplete": "截断原因",
    "text_attempt": "正文来自第几次尝试",
    "cost": "费用",
    "cost_currency": "货币",
    "cost_source": "费用来源",
    "prompt": "提示词",
}


def column_headings(names: Iterable[str], language: Language) -> list[str]:
    """The headings of the columns of a table; in English the names of the fields, for programs."""
    return [_CHINESE_COLUMNS[name] if language == "zh" else name for name in names]


def input_headings(names: Iterable[str], language: Language) -> list[str]:
    """The headings of the columns that a table had before it became a batch: never the same as one of ours."""
    return [f"{'输入' if language == 'zh' else 'input'}.{name}" for name in names]
