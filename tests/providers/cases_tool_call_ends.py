"""Kind Q: how answers with tool calls end. A call that did not come whole is told apart from one that did."""

from tests.providers.case import Case, Fails, case, cut_stream
from tests.providers.tool_calls import CALLED, PARIS, call, piece, pieces, tools, whole
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, chunk

CASES: list[Case] = [
    tools(
        "a call whose finish_reason stands beside it",
        "ai.google.dev: OpenAI compatibility",
        chunk({"tool_calls": [piece(0, "call_1", name="get_weather", arguments=PARIS)]}, "tool_calls"),
        DONE,
    ),
    tools(
        "a call that ends with stop",
        "ollama/ollama#7881",
        *pieces(0, "call_1", PARIS),
        FINISH,
        DONE,
        right=whole(call("call_1", PARIS), finish_reason="stop"),
    ),
    tools(
        "a call without [DONE]",
        "transformers serve",
        *pieces(0, "call_1", PARIS),
        CALLED,
    ),
    tools(
        "a call that the token limit cut",
        "platform.openai.com: finish_reason length",
        *pieces(0, "call_1", PARIS[:20]),
        chunk({}, "length"),
        DONE,
        right=whole(call("call_1", PARIS[:20]), finish_reason="length"),
    ),
    tools(
        "arguments that end in the middle, and a finish_reason",
        "answers.md, kind A, in a call",
        *pieces(0, "call_1", PARIS[:20]),
        CALLED,
        DONE,
        right=Fails("upstream_ended_without_end", says=("get_weather",)),
    ),
    tools(
        "a finish_reason and no call",
        "lm-sys/FastChat: tool_calls without calls",
        CALLED,
        DONE,
        right=Fails("upstream_empty_completion", says=("tool_calls",)),
    ),
    case(
        "Q",
        "a connection that breaks inside a call",
        "answers.md, kind A, in a call",
        cut_stream(ROLE, *pieces(0, "call_1", PARIS)[:4]),
        Fails("upstream_cut"),
    ),
    case(
        "Q",
        "a connection that breaks between two calls",
        "answers.md, kind A, in a call",
        cut_stream(ROLE, *pieces(0, "call_1", PARIS)),
        Fails("upstream_cut"),
    ),
]
