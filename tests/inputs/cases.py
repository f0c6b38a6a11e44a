"""Files as people have them, and what each of them means. The command and the API are held to the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MODEL = "c00"
LONG = "Summarise this. " + "lorem ipsum dolor " * 9000


@dataclass(frozen=True)
class Case:
    """One file: either the jobs that it makes, or what is wrong with it."""

    name: str
    content: bytes
    jobs: Sequence[tuple[str | None, str]] = ()
    """The custom id and the prompt of each."""
    template: str | None = None
    mistake: tuple[int | None, str] | None = None
    """The line, and words of the message."""
    notes: frozenset[str] = frozenset()
    """The codes of what was read otherwise than it was written."""
    body: tuple[tuple[str, Any], ...] = ()
    """Fields that the body of the first job has besides."""

    @property
    def is_table(self) -> bool:
        return not self.name.endswith((".jsonl", ".json"))


def line(custom_id: Any, body: dict[str, Any] | None = None, **changes: Any) -> str:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "tea"}], **(body or {})}
    return json.dumps(
        {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}
    )


def without(text: str, *names: str) -> str:
    return json.dumps({name: value for name, value in json.loads(text).items() if name not in names})


def jsonl(name: str, text: str, *, ids: Sequence[str] = (), encoding: str = "utf-8", **rest: Any) -> Case:
    jobs = [(custom_id, "tea") for custom_id in ids]
    return Case(f"{name}.jsonl", text.encode(encoding), jobs, **rest)


def table(name: str, text: str, *prompts: str, encoding: str = "utf-8", **rest: Any) -> Case:
    return Case(name, text.encode(encoding), [(None, prompt) for prompt in prompts], **rest)


TOPIC = "Write about {topic}"
TEA, RAIN = "Write about Tea", "Write about Rain"
A, B = line("a"), line("b")
NAMES = ("a/b", "../up", "x" * 300, "CON", "Tea", "tea", "名" * 100, "a:b?*", ".", "-rf")


def notes(*codes: str) -> frozenset[str]:
    return frozenset(codes)


JSON_CASES = [
    jsonl("f01_bom_crlf_blank", f"\ufeff{A}\r\n\r\n{B}\r\n   \r\n\r\n", ids="ab"),
    jsonl("f02_utf16", f"{A}\r\n{B}\r\n", ids="ab", encoding="utf-16"),
    jsonl("utf16_without_mark", f"{A}\r\n{B}\r\n", ids="ab", encoding="utf-16-le", notes=notes("encoding")),
    jsonl("utf16_be", f"\ufeff{A}\r\n{B}\r\n", ids="ab", encoding="utf-16-be"),
    jsonl("utf32", f"{A}\n{B}", ids="ab", encoding="utf-32"),
    jsonl("f10_azure", line("a", url="/chat/completions"), ids="a", notes=notes("url")),
    jsonl("azure_deployment", line("a", url="/openai/deployments/x/chat/completions?api-version=1"), ids="a",
          notes=notes("url")),
    jsonl("whole_address", line("a", url="https://api.openai.com/v1/chat/completions"), ids="a", notes=notes("url")),
    jsonl("small_method", line("a", method="post"), ids="a"),
    jsonl("f11_together_mistral", without(A, "method", "url"), ids="a"),
    jsonl("f12_extra_body", line("a", {"temperature": 1, "extra_body": {"enable_thinking": False, "temperature": 0.5}}),
          ids="a", notes=notes("extra_body"), body=(("enable_thinking", False), ("temperature", 0.5))),
    jsonl("extra_body_of_nothing", line("a", {"extra_body": None}), ids="a"),
    jsonl("extra_body_that_is_none", line("a", {"extra_body": 3}), mistake=(1, "extra_body")),
    jsonl("f13_int_ids", f"{line(1)}\n{line(2)}\n", ids="12", notes=notes("custom_id")),
    jsonl("ids_that_are_no_text", line(True), mistake=(1, "custom_id")),
    jsonl("f14_duplicate", f"{A}\n{B}\n{A}\n", mistake=(3, "line 1")),
    jsonl("number_and_text_are_one_id", f"{line(1)}\n{line('1')}\n", mistake=(2, "line 1")),
    jsonl("f15_array", json.dumps([json.loads(A), json.loads(B)], indent=1) + "\n", ids="ab", notes=notes("list")),
    jsonl("list_on_one_line", f" [{A},{B}]", ids="ab", notes=notes("list")),
    jsonl("list_of_lines", f"[\r\n{A},\r\n{B},\r\n]\r\n", ids="ab", notes=notes("list")),
    jsonl("list_without_end", f"[{A},\n{B},\n", mistake=(3, "the list is not closed")),
    jsonl("list_and_more", f"[{A}]\n\n{B}\n", mistake=(3, "something follows the list")),
    jsonl("list_of_texts", '["Write about tea",\n"Write about rain"]', mistake=(1, "object")),
    jsonl("list_without_commas", f"[{A}\n{B}]", mistake=(1, "JSON")),
    jsonl("f16_pretty", "".join(json.dumps(json.loads(one), indent=2) + "\n" for one in (A, B)), ids="ab",
          notes=notes("pretty")),
    jsonl("pretty_and_plain", f"{A}\n{json.dumps(json.loads(B), indent=2)}\n{line('c')}\n", ids="abc",
          notes=notes("pretty")),
    jsonl("pretty_without_end", f"{A}\n{{\n  \"custom_id\": \"b\",\n{line('c')}\n", mistake=(2, "not closed")),
    jsonl("f17_comments", f"# my prompts\n{A}\n// second\n{B},\n", ids="ab", notes=notes("comment", "comma")),
    jsonl("comma_inside", A[:-1] + ",}", mistake=(1, "leave out the comma")),
    jsonl("two_on_a_line", f"{A}{B}", mistake=(1, "JSON")),
    jsonl("python", str(json.loads(A)), mistake=(1, "json.dumps")),
    jsonl("f18_many_params", line("a", {
        "messages": [{"role": "developer", "content": "short"}, {"role": "user", "content": "tea"}], "stream": True,
        "stream_options": {"include_usage": True}, "max_completion_tokens": 50, "seed": 1, "stop": ["\n\n"],
        "logit_bias": {"50256": -100}, "service_tier": "flex", "reasoning_effort": "low", "enable_thinking": False,
        "provider": {"order": ["x"]}, "transforms": [], "n": 1, "tools": [], "tool_choice": "none", "logprobs": False,
        "chat_template_kwargs": {"enable_thinking": False}}), ids="a", notes=notes("stream"),
        body=(("seed", 1), ("provider", {"order": ["x"]}), ("chat_template_kwargs", {"enable_thinking": False}))),
    jsonl("f21_tool_choice_without_tools", line("a", {"tool_choice": "auto", "parallel_tool_calls": True}), ids="a"),
    jsonl("f22_ids_as_names", "".join(line(name) + "\n" for name in NAMES), ids=NAMES),
    jsonl("f23_body_metadata", line("a", {"metadata": {"row": 7, "ok": True}, "store": True}), ids="a",
          notes=notes("metadata")),
    jsonl("metadata_of_lists", line("a", {"metadata": {"row": [7]}}), mistake=(1, "metadata.row")),
    jsonl("f24_embeddings", json.dumps({"custom_id": "e", "method": "POST", "url": "/v1/embeddings",
          "body": {"model": MODEL, "input": "x"}}), mistake=(1, "a job's result is a text, and embeddings are none")),
    jsonl("other_method", line("a", method="GET"), mistake=(1, '"method" must be "POST"')),
    jsonl("f25_nan", f"{A}\n" + line("b", {"temperature": float("nan")}), mistake=(2, "NaN")),
    jsonl("infinity", line("b", {"temperature": float("inf")}), mistake=(1, "leave the field out, or write null")),
    Case("gbk.jsonl", A.replace("tea", "绿茶的历史").encode("gbk"), [("a", "绿茶的历史")], notes=notes("encoding")),
    Case("damaged.jsonl", A.replace("tea", "绿茶").encode() + b"\n" + B.replace("tea", "caf\\").encode()
         .replace(b"\\", b"\xe9") + b"\n", mistake=(2, "not UTF-8")),
    Case("cut_utf16.jsonl", f"{A}\n{B}".encode("utf-16")[:-1], mistake=(2, "not closed")),
    Case("empty.jsonl", b"\xef\xbb\xbf \r\n", mistake=(None, "")),
]  # fmt: skip

TABLE_CASES = [
    table("f03_gbk.csv", "编号,主题\r\n1,绿茶的历史\r\n2,雨\r\n", "写一篇关于绿茶的历史的文章", "写一篇关于雨的文章",
          encoding="gbk", template="写一篇关于{主题}的文章", notes=notes("encoding")),
    table("big5.csv", "編號,主題\r\n1,綠茶的歷史\r\n2,雨\r\n", "綠茶的歷史", "雨", encoding="big5",
          template="{主題}", notes=notes("encoding")),
    table("shift_jis.csv", "番号,主題\r\n1,コーヒーの淹れ方\r\n2,春の京都\r\n", "コーヒーの淹れ方", "春の京都",
          encoding="shift_jis", template="{主題}", notes=notes("encoding")),
    table("windows.csv", "Thema;Ton\r\nÄpfel und Birnen;ruhig\r\nÜber die Straße;warm\r\n", "Äpfel und Birnen",
          "Über die Straße", encoding="cp1252", template="{Thema}", notes=notes("encoding")),
    table("utf8_bom.csv", "\ufefftopic,tone\r\nTea,calm\r\n", TEA, template=TOPIC),
    table("utf16.csv", "topic\ttone\r\nTea\tcalm\r\n", TEA, encoding="utf-16", template=TOPIC),
    table("utf16_without_mark.csv", "topic,tone\r\n绿茶,calm\r\n", "Write about 绿茶", encoding="utf-16-be",
          template=TOPIC, notes=notes("encoding")),
    table("utf32.csv", "topic,tone\r\nTea,calm\r\n", TEA, encoding="utf-32", template=TOPIC),
    table("f04_semicolon.csv", 'topic;tone\r\n"Tea; green";calm\r\nRain;"warm, soft"\r\n', "Write about Tea; green",
          RAIN, template=TOPIC),
    table("f05_sep.csv", "sep=;\r\ntopic;tone\r\nTea;calm\r\n", TEA, template=TOPIC),
    table("sep_of_another_kind.csv", '"sep=|"\ntopic|a,b\nTea|c,d\n', TEA, template=TOPIC),
    table("bars.csv", "topic|tone\nTea|calm, warm\nRain|sad\n", TEA, RAIN, template=TOPIC),
    table("tabs.csv", "topic\ttone\nTea\tcalm, warm\nRain\tsad\n", TEA, RAIN, template=TOPIC),
    table("f06_blank_rows.csv", "topic,tone\r\nTea,calm\r\n,\r\n \t,\xa0\r\n,\r\n", TEA, template=TOPIC,
          notes=notes("blank_row")),
    table("blank_rows_at_first.csv", "\r\n,\r\ntopic,tone\r\nTea,calm\r\n", TEA, template=TOPIC),
    table("f07_trailing_columns.csv", "topic,tone,,\r\nTea,calm,,\r\nRain,warm,,\r\n", TEA, RAIN, template=TOPIC),
    table("rows_longer_by_nothing.csv", "topic,tone\r\nTea,calm,,\r\nRain,warm,,\r\n", TEA, RAIN, template=TOPIC),
    table("a_longer_row_among_others.csv", "topic,tone\nTea,calm\nRain, heavy,\nSnow,cold\n", template=TOPIC,
          mistake=(3, "3 cells, but the first row has 2")),
    table("a_longer_row_before_others.csv", "topic,tone\nRain, heavy,\nTea,calm\nSnow,cold\n", template=TOPIC,
          mistake=(2, "3 cells, but the first row has 2")),
    table("pandas.csv", ",topic\n0,Tea\n1,Rain\n", TEA, RAIN, template=TOPIC, notes=notes("unnamed_column")),
    table("f08_long_cell.csv", f'prompt\r\n"{LONG}"\r\n', LONG),
    table("f09_header_space.csv", '"topic ", tone\r\nTea,calm\r\n', TEA, template=TOPIC),
    table("spaces_before_quotes.csv", 'topic, tone\r\n"Tea", "calm, warm"\r\nRain, "sad"\r\n', "calm, warm", "sad",
          template="{tone}"),
    Case("f26_topics.txt", b"Tea\nRain\n", [(None, "Tea"), (None, "Rain")]),
    table("prompts_in_a_template.txt", "\ufeff Tea \r\n\r\nRain", TEA, RAIN, template="Write about {prompt}"),
    table("unicode_text_of_excel.txt", "topic\ttone\r\nTea\tcalm\r\n", TEA, encoding="utf-16", template=TOPIC),
    table("f27_topics.tsv", "topic\ttone\nTea\tcalm\n", TEA, template=TOPIC),
    table("f29_quote_inside.csv", 'topic,tone\r\n5" pipe,calm\r\n"He said "hi" twice",warm\r\n', 'Write about 5" pipe',
          'Write about He said "hi" twice', template=TOPIC, notes=notes("stray_quote")),
    Case("f30_crlf_in_cell.csv", b'custom_id,prompt\r\nx,"Line one\r\nLine two, ""quoted"""\r\n',
         [("x", 'Line one\r\nLine two, "quoted"')]),
    table("line_ends_of_old_macs.csv", "topic,tone\rTea,calm\rRain,warm\r", TEA, RAIN, template=TOPIC),
    table("one_column.csv", "topic\nTea\nRain; heavy\n", TEA, "Write about Rain; heavy", template=TOPIC),
    table("row_too_long.csv", "topic,tone\nTea,calm\nRain, heavy,warm\n", template=TOPIC,
          mistake=(3, "3 cells, but the first row has 2")),
    table("row_too_short.csv", "topic,tone\nTea\n", template=TOPIC, mistake=(2, "only 1 of 2 cells")),
    table("row_after_a_long_cell.csv", 'topic,tone\n"Tea\nand\nmilk",calm\nRain\n', template=TOPIC,
          mistake=(5, "only 1 of 2 cells")),
    table("more_under_no_name.csv", "topic,tone,,\nTea,calm,x,\n", template=TOPIC,
          mistake=(2, "3 cells, but the first row has 2")),
    table("two_columns_of_one_name.csv", "topic,topic\nTea,calm\n", template=TOPIC,
          mistake=(1, "two columns have the same")),
    table("empty_cell.csv", "topic,tone\nTea,calm\n,warm\n", template=TOPIC,
          mistake=(3, "{topic} is empty: write something into the cell, such as none")),
    table("quote_never_closed.csv", 'topic,tone\nTea,calm\n"Rain,warm\nSnow,cold\n', template=TOPIC,
          mistake=(3, "a quotation mark is opened here and never closed")),
    table("quote_over_lines.csv", 'topic,tone\n"Tea\nand "milk" too",calm\n', template=TOPIC,
          mistake=(2, 'write it twice ("")')),
    table("no_template.csv", "topic,tone\nTea,calm\n", mistake=(1, "Write about {topic}")),
    table("unknown_column.csv", "Topic,tone\nTea,calm\n", template="About {topic}",
          mistake=(None, "did you mean {Topic}?")),
    table("same_id.csv", "custom_id,prompt\na,Tea\na,Rain\n", mistake=(3, "line 2")),
    table("id_that_nobody_named.csv", "id,prompt\na,Tea\na,Rain\n", "Tea", "Rain"),
    table("only_a_header.csv", "prompt\n", mistake=(None, "")),
    Case("excel.csv", b"PK\x03\x04rest", mistake=(None, "save it as CSV UTF-8")),
    Case("old_excel.csv", b"\xd0\xcf\x11\xe0rest", mistake=(None, "old Excel workbook")),
    Case("damaged.csv", "topic,tone\n绿茶和红茶的历史,calm\nTea".encode() + b"\xff,warm\n", template=TOPIC,
         mistake=(3, "save the file as UTF-8")),
]  # fmt: skip
CASES = [*JSON_CASES, *TABLE_CASES]
# What no job can do is known to the API alone, and the command shows its refusal with the line.
API_CASES = [
    jsonl("f19_tools", line("a", {"tools": [{"type": "web_search", "web_search": {"enable": True}}]}), ids="a"),
    jsonl("f20_logprobs", line("a", {"logprobs": True, "top_logprobs": 5, "max_tokens": 1}), ids="a"),
    jsonl("several_answers", f"{A}\n" + line("b", {"n": 2}), mistake=(2, "body.n: must be 1")),
    Case("no_model.txt", b"Tea\n", [(None, "Tea")]),
]  # fmt: skip
