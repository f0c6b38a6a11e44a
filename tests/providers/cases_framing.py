"""Kind D: events that are framed otherwise than the standard says, and deltas that are no deltas."""

import gzip
import json

from tests.providers.case import Case, CaseScript, Fails, Whole, answer, case, cut_stream, data, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, event, head, text

TEA = Whole("Hello tea.")
HELLO, REST = text("Hello"), text(" tea.")


def raw(body: bytes, content_type: str = "text/event-stream", **headers: str) -> CaseScript:
    """These bytes, until the connection ends."""
    return (head(200, content_type, **headers), body)


def plain(*events: bytes) -> bytes:
    """Events without their framing: one JSON object a line."""
    return b"".join(each.removeprefix(b"data: ").removesuffix(b"\n") for each in events)


def message(content: str, finish_reason: str | None = None, **more: object) -> bytes:
    """A chunk with `message` in place of `delta`."""
    return event({"choices": [{"index": 0, "message": {"content": content}, "finish_reason": finish_reason}], **more})


def ollama(content: str, *, done: bool = False, **more: object) -> bytes:
    """A line of Ollama's own chat endpoint."""
    fields = {"model": "m", "message": {"role": "assistant", "content": content}, "done": done, **more}
    return json.dumps(fields).encode() + b"\n"


OLLAMA_END = ollama("", done=True, done_reason="stop", prompt_eval_count=11, eval_count=7)
SINGLE = b"".join(each.removesuffix(b"\n") for each in (HELLO, REST, FINISH, DONE))
WHOLE_COMPLETION = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello tea."}, "finish_reason": "stop"}],
    "usage": usage(11, 7),
}
ODD_HTTP = b"".join(b"data:" + each[6:].replace(b"\n", b"\r\n") for each in (HELLO, REST, FINISH, DONE))

CASES: list[Case] = [
    case("D", "events parted by one newline", "issue 11, c18", raw(SINGLE), TEA),
    case("D", "events parted by one CRLF", "anomalyco/opencode#27365", raw(SINGLE.replace(b"\n", b"\r\n")), TEA),
    case(
        "D",
        "events parted by one newline, then a cut",
        "anomalyco/opencode#27365",
        cut_stream(HELLO.removesuffix(b"\n"), REST),
        Fails("upstream_cut", given="Hello tea."),
    ),
    case(
        "D",
        "no space after the colon",
        "RightNow-AI/openfang#194",
        raw(b"".join(each.replace(b"data: ", b"data:") for each in (HELLO, REST, FINISH, DONE))),
        TEA,
    ),
    case(
        "D",
        "data: twice",
        "openclaw/openclaw#96497",
        stream(*(b"data: " + each for each in (HELLO, REST, FINISH, DONE))),
        TEA,
    ),
    case(
        "D",
        "data: twice without spaces",
        "openclaw/openclaw#96497",
        stream(*(b"data:" + each.replace(b"data: ", b"data:") for each in (HELLO, REST, FINISH, DONE))),
        TEA,
    ),
    case(
        "D",
        "message in place of delta",
        "docs.perplexity.ai: chat completions",
        stream(message("Hello"), message(" tea."), message("", "stop"), DONE),
        TEA,
    ),
    case(
        "D",
        "the whole completion in one event, without [DONE]",
        "decolua/9router#3492",
        raw(event(WHOLE_COMPLETION)),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "D",
        "completions with message, each with stop, and the connection ends",
        "decolua/9router#3492",
        raw(message("Hello", "stop", object="chat.completion") + message(" tea.", "stop", object="chat.completion")),
        Fails("upstream_ended_without_end", given="Hello tea."),
    ),
    case(
        "D",
        "events without any line end between them",
        "anomalyco/opencode#27365",
        stream(b"".join(each.strip() for each in (HELLO, REST)) + b"\n\n", FINISH.strip() + DONE),
        TEA,
    ),
    case(
        "D",
        "the choice is no list",
        "anomalyco/opencode#27365",
        stream(event({"choices": {"index": 0, "delta": {"content": "Hello tea."}}}), FINISH, DONE),
        TEA,
    ),
    case(
        "D",
        "the whole text as a message behind its deltas",
        "docs.perplexity.ai: chat completions",
        stream(HELLO, REST, message("Hello tea.", "stop"), DONE),
        TEA,
    ),
    case(
        "D",
        "the whole text as a message behind its deltas, without the blanks around it",
        "docs.perplexity.ai: chat completions",
        stream(HELLO, REST, text(" \n"), message("Hello tea.", "stop"), DONE),
        Whole("Hello tea. \n"),
    ),
    case(
        "D",
        "Ollama's own lines",
        "ollama/ollama: docs/api.md",
        raw(ollama("Hello") + ollama(" tea.") + OLLAMA_END, "application/x-ndjson"),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "D",
        "Ollama's own lines, cut",
        "ollama/ollama: docs/api.md",
        (head(200, "application/x-ndjson", content_length="10000"), ollama("Hello"), ollama(" tea.")),
        Fails("upstream_cut", given="Hello tea."),
    ),
    case(
        "D",
        "Ollama's own lines, ended before `done`",
        "ollama/ollama: docs/api.md",
        raw(ollama("Hello"), "application/x-ndjson"),
        Fails("upstream_ended_without_end", given="Hello"),
    ),
    case(
        "D",
        "chunks as bare lines",
        "snailyp/gemini-balance#347",
        raw(plain(HELLO, REST, FINISH), "application/x-ndjson"),
        TEA,
    ),
    case(
        "D",
        "chunks as bare lines in an event stream",
        "snailyp/gemini-balance#347",
        raw(plain(HELLO, REST, FINISH) + b"[DONE]\n"),
        TEA,
    ),
    case(
        "D",
        "an event stream that says it is JSON",
        "openclaw/openclaw#97474",
        raw(HELLO + REST + FINISH + DONE, "application/json"),
        TEA,
    ),
    case(
        "D",
        "HTTP/1.0, gzip, CRLF, the wrong type",
        "xiaoliu10/claude-code-router-next#44",
        (
            b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\n",
            gzip.compress(ODD_HTTP),
        ),
        TEA,
    ),
    case(
        "D",
        "a heartbeat before a mislabeled stream",
        "xiaoliu10/claude-code-router-next#44",
        raw(b": ping\n\n" + HELLO + REST + FINISH + DONE, "application/json"),
        TEA,
    ),
    case(
        "D",
        "a whole completion with [DONE] glued to it",
        "decolua/9router#3492",
        raw(json.dumps(WHOLE_COMPLETION).encode() + b"\n\ndata: [DONE]\n\n"),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "D",
        "a whole completion as the only event",
        "decolua/9router#3492",
        stream(event(WHOLE_COMPLETION), DONE),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "D",
        "a whole completion of an upstream that cannot stream",
        "unslothai/unsloth#6570",
        answer(200, WHOLE_COMPLETION),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "D",
        "ids, retries and comments between the events",
        "lingyuins/octopus#62",
        stream(b"id: 9\nevent: message\n" + HELLO, b"retry: 100\n: ping\n\n", b"id: 10\n" + REST, FINISH, DONE),
        TEA,
    ),
    case(
        "D",
        "characters cut anywhere",
        "RightNow-AI/openfang#194",
        (
            head(),
            *(bytes([each]) for each in data({"choices": [{"index": 0, "delta": {"content": "茶很好🍵。"}}]})),
            FINISH,
            DONE,
        ),
        Whole("茶很好🍵。"),
    ),
    case(
        "D",
        "chunks that call themselves text_completion.chunk",
        "sgl-project/mini-sglang#51",
        stream(
            event({"object": "text_completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}),
            REST,
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "D",
        "a stream that was read to its last byte but [DONE]'s newline",
        "anomalyco/opencode#8282",
        raw(HELLO + REST + FINISH + b"data: [DONE]"),
        TEA,
    ),
    case(
        "D",
        "a chunk over two data lines",
        "html.spec.whatwg.org: event stream",
        stream(
            b'data: {"choices":\ndata: [{"index": 0, "delta": {"content": "Hello tea."}}]}\n\n', chunk({}, "stop"), DONE
        ),
        TEA,
    ),
]
