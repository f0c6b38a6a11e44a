"""The process that compiles schemas and checks texts against them. It ends itself when one takes too long.

Each line of its input is a question, `{"schema", "text"}`, where a null text asks for the schema's own fault, or
`{"accept", "text", "cut_short"}`. Each line of its output is an answer: `{"fault"}`, `{"mismatch"}` or
`{"rejections"}`. It ends with its input, so also with the process that started it.
"""

import json
import resource
import signal
import sys
from typing import Any

from jobs.acceptance.answer_format import find_mismatch, find_schema_fault
from jobs.acceptance.rejections import find_rejections

_MOST_MEMORY = 2 << 30


def main() -> None:
    cpu_seconds = float(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which drains
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        question: dict[str, Any] = json.loads(line)
        # It counts the time of the CPU, because a busy machine is nobody's fault, and ends the process also in the
        # midst of a search that never comes back to Python.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = _answer(question)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), flush=True)


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    text = question["text"]
    if "accept" in question:
        return {"rejections": find_rejections(question["accept"], text, cut_short=question["cut_short"])}
    schema = question["schema"]
    if text is None:
        return {"fault": find_schema_fault(schema) if schema is not None else None}
    return {"mismatch": find_mismatch(schema, text)}


if __name__ == "__main__":
    main()
