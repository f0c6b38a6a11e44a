"""No JSON that Longhand writes holds NaN or Infinity, which no browser reads."""

import ast
import json
import math
from pathlib import Path
from typing import Any, NoReturn

import pytest

from api.http.errors import JsonAnswer, RawJson
from api.http.json_lines import json_line
from api.watching.frames import event_frame
from jobs.lifecycle.columns import message_json
from jobs.strict_json import dump_json
from longhand.terminal.output import print_json
from worker.upstream.answer import Answer

ROOT = Path(__file__).parent.parent
WRITERS = sorted([*ROOT.glob("api/**/*.py"), *ROOT.glob("worker/**/*.py"), *ROOT.glob("jobs/webhooks/*.py"),
                  *ROOT.glob("longhand/terminal/*.py"), ROOT / "jobs/lifecycle/columns.py"])  # fmt: skip

ODD = {"a": [math.nan, (math.inf, -math.inf), 1e999], "b": {"NaN": "Infinity"}, "c": 1.5}
STRICT = {"a": [None, [None, None], None], "b": {"NaN": "Infinity"}, "c": 1.5}


def read(text: str | bytes) -> Any:
    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_no_number_becomes_null() -> None:
    assert dump_json(ODD) == '{"a":[null,[null,null],null],"b":{"NaN":"Infinity"},"c":1.5}'


def test_a_circle_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(RecursionError):
        dump_json(circle)


def test_every_writer_of_json_leaves_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(ODD)
    written: list[str | bytes] = [
        bytes(JsonAnswer(ODD).body),
        json_line(ODD),
        event_frame("done", "1", ODD).split(b"data: ")[1],
        message_json(ODD) or "",
        capsys.readouterr().out,
    ]
    assert [read(each) for each in written] == [STRICT] * 5


def test_what_is_stored_already_is_mended_on_its_way_out() -> None:
    answer = JsonAnswer({"message": RawJson(json.dumps(ODD)), "accept": RawJson('{"k":[1, 2]}')})
    assert read(bytes(answer.body)) == {"message": STRICT, "accept": {"k": [1, 2]}}
    assert b'{"k":[1, 2]}' in answer.body, "what is JSON goes out as it is stored"


def writes_json(path: Path) -> bool:
    """Whether a module writes JSON by Python's own function."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == "json":
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("dumps", "dump", "JSONEncoder"):
            of_json = isinstance(node.value, ast.Name) and node.value.id == "json"
            if of_json:
                return True
    return False


def test_json_is_written_by_the_one_function() -> None:
    assert [str(path.relative_to(ROOT)) for path in WRITERS if writes_json(path)] == [], "use strict_json.dump_json"


def message_of(delta: str, choice: str = "", top: str = "") -> Any:
    answer = Answer(lambda _: None, 1 << 20)
    answer.take(f'{{{top}"choices":[{{"index":0,{choice}"delta":{{"content":"x",{delta}}}}}]}}'.encode())
    return read(message_json(answer.ending(is_whole=True).message) or "{}")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_stands_beside_a_text_keeps_null_for_what_is_no_number(number: str) -> None:
    token = f'{{"token":"a","logprob":{number}}}'
    assert message_of('"z":1', f'"logprobs":{{"content":[{token}]}},')["logprobs"]["content"][0]["logprob"] is None
    assert message_of(f'"annotations":[{{"n":{number}}}]')["annotations"] == [{"n": None}]
    assert message_of('"z":1', top=f'"citations":[{number}],')["citations"] == [None]
    call = f'{{"index":0,"id":"c","zz":{{"n":{number}}},"function":{{"name":"f","arguments":{{"k":{number}}}}}}}'
    [kept] = message_of(f'"tool_calls":[{call}]')["tool_calls"]
    assert kept["zz"] == {"n": None}
    assert kept["function"]["arguments"] == '{"k":null}'
