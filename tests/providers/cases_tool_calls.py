"""Kind Q: tool calls. However they come, they are put together as the upstream would have returned them unstreamed."""

from tests.providers.case import Case, Whole, answer, case, stream
from tests.providers.tool_calls import BOTH, CALLED, OSLO, PARIS, call, called, piece, pieces, tools, whole
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, event, text

TEA = ("Hello", " tea.")


def logprobs(*tokens: str) -> dict[str, object]:
    return {"content": [{"token": token, "logprob": -1, "top_logprobs": []} for token in tokens]}


CASES: list[Case] = [
    tools("one call", "platform.openai.com: chat streaming", *pieces(0, "call_1", PARIS), CALLED, DONE),
    tools(
        "two calls, one after the other",
        "platform.openai.com: parallel_tool_calls",
        *pieces(0, "call_1", PARIS),
        *pieces(1, "call_2", OSLO),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "two calls whose pieces alternate",
        "vllm-project/vllm: parallel tool parsers",
        *(each for both in zip(pieces(0, "call_1", PARIS), pieces(1, "call_2", OSLO), strict=False) for each in both),
        *pieces(0, "call_1", PARIS)[len(pieces(1, "call_2", OSLO)) :],
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "two calls, the second one first",
        "parallel tool parsers that end in any order",
        *pieces(1, "call_2", OSLO),
        *pieces(0, "call_1", PARIS),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "two whole calls in one delta",
        "ai.google.dev: OpenAI compatibility",
        called(
            piece(0, "call_1", name="get_weather", arguments=PARIS),
            piece(1, "call_2", name="get_weather", arguments=OSLO),
        ),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "whole calls that all have the index 0",
        "ollama/ollama#7881",
        called(piece(0, "call_1", name="get_weather", arguments=PARIS)),
        called(piece(0, "call_2", name="get_weather", arguments=OSLO)),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "whole calls without an index",
        "googleapis/python-genai: OpenAI compatibility, no index",
        called(piece(None, "call_1", name="get_weather", arguments=PARIS)),
        called(piece(None, "call_2", name="get_weather", arguments=OSLO)),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "pieces without an index, named by their id",
        "gateways before Anthropic",
        called(piece(None, "call_1", name="get_weather", arguments=PARIS[:9])),
        called(piece(None, "call_2", name="get_weather", arguments=OSLO[:9])),
        called(piece(None, "call_1", arguments=PARIS[9:]), piece(None, "call_2", arguments=OSLO[9:])),
        CALLED,
        DONE,
        right=BOTH,
    ),
    tools(
        "pieces with neither an index nor an id",
        "gateways before Anthropic",
        called(piece(None, "call_1", name="get_weather")),
        *(called(piece(None, arguments=part)) for part in (PARIS[:9], PARIS[9:])),
        CALLED,
        DONE,
    ),
    tools(
        "indexes that begin at 1 and come as strings",
        "BerriAI/litellm: Anthropic's content block index",
        called(piece("1", "call_1", name="get_weather", arguments=PARIS[:9])),
        called(piece("1", arguments=PARIS[9:])),
        CALLED,
        DONE,
    ),
    tools(
        "the id and the name again with each piece",
        "QwenLM on DashScope; vllm-project/vllm",
        *(
            called(piece(0, "call_1", name="get_weather", arguments=part))
            for part in ("", PARIS[:2], PARIS[2:9], PARIS[9:], "")
        ),
        CALLED,
        DONE,
    ),
    tools(
        "another id with each piece",
        "sgl-project/sglang: a random id for each delta",
        called(piece(0, "call_1", name="get_weather", arguments="")),
        called(piece(0, "call_8", arguments=PARIS[:9])),
        called(piece(0, "call_9", name=None, arguments=PARIS[9:])),
        CALLED,
        DONE,
    ),
    tools(
        "a name in pieces",
        "hermes parsers of local servers",
        called(piece(0, "call_1", name="get_", arguments="")),
        called(piece(0, name="weather", arguments="")),
        called(piece(0, arguments=PARIS)),
        CALLED,
        DONE,
    ),
    tools(
        "arguments that repeat all before them",
        "answers.md, kind D, in arguments",
        called(piece(0, "call_1", name="get_weather", arguments=PARIS[:3])),
        called(piece(0, arguments=PARIS[:12])),
        called(piece(0, arguments=PARIS)),
        CALLED,
        DONE,
    ),
    tools(
        "the whole call again at the end",
        "vllm-project/vllm: streamed arguments sent twice",
        *pieces(0, "call_1", PARIS),
        called(piece(0, "call_1", name="get_weather", arguments=PARIS)),
        CALLED,
        DONE,
    ),
    tools(
        "a whole message behind the deltas",
        "answers.md, kind D, `message` in place of `delta`",
        *pieces(0, "call_1", PARIS),
        event({"choices": [{"index": 0, "message": {"tool_calls": [call("call_1", PARIS)]}}]}),
        CALLED,
        DONE,
    ),
    tools(
        "arguments that are an object",
        "ollama/ollama: docs/api.md",
        called(piece(0, "call_1", name="get_weather", arguments={"city": "Öslo", "days": [1]})),
        CALLED,
        DONE,
        right=whole(call("call_1", '{"city":"Öslo","days":[1]}')),
    ),
    tools(
        "a call without arguments",
        "vercel/ai: no-argument tools of Anthropic behind gateways",
        called(piece(0, "call_1", name="get_weather", arguments="")),
        CALLED,
        DONE,
        right=whole(call("call_1", "")),
    ),
    tools(
        "a text and a call",
        "platform.openai.com: chat streaming",
        text("Let me look."),
        *pieces(0, "call_1", PARIS),
        CALLED,
        DONE,
        right=whole(call("call_1", PARIS), text="Let me look."),
    ),
    tools(
        "a signature beside the function",
        "ai.google.dev: thought signatures",
        called({**piece(0, "call_1", name="get_weather", arguments=PARIS), "extra_content": {"google": {"s": "x+/="}}}),
        CALLED,
        DONE,
        right=whole(call("call_1", PARIS) | {"extra_content": {"google": {"s": "x+/="}}}),
    ),
    tools(
        "a custom tool",
        "platform.openai.com: custom tools",
        called({"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "run", "input": ""}}),
        called({"index": 0, "custom": {"input": "print({"}}),
        CALLED,
        DONE,
        right=whole({"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "print({"}}),
    ),
    *(
        tools(
            f"a custom tool whose input {what}",
            "platform.openai.com: custom tools",
            called({"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "say", "input": inputs[0]}}),
            *(called({"index": 0, "custom": {"input": each}}) for each in inputs[1:]),
            CALLED,
            DONE,
            right=whole({"id": "call_1", "type": "custom", "custom": {"name": "say", "input": said}}),
        )
        for what, inputs, said in (
            ("laughs", ("ha", "haha!"), "hahaha!"),
            ("counts", ("1", "1", "1"), "111"),
            ("each piece repeats", ("Tea", "Tea is", "Tea is good"), "Tea is good"),
        )
    ),
    tools(
        "arguments that are wrong, and not cut",
        "the model wrote them; its client judges",
        called(piece(0, "call_1", name="get_weather", arguments="{'city': 'Paris'}")),
        CALLED,
        DONE,
        right=whole(call("call_1", "{'city': 'Paris'}")),
    ),
    tools(
        "the older function_call",
        "platform.openai.com: function_call, deprecated",
        chunk({"function_call": {"name": "get_weather", "arguments": ""}}),
        *(chunk({"function_call": {"arguments": part}}) for part in (PARIS[:7], PARIS[7:])),
        chunk({}, "function_call"),
        DONE,
        right=Whole(
            "",
            "function_call",
            message={"function_call": {"name": "get_weather", "arguments": PARIS}, "tool_calls": None},
        ),
    ),
    case(
        "Q",
        "calls in an answer that came whole",
        "platform.openai.com: chat completion",
        answer(
            200,
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": None, "tool_calls": [call("call_1", PARIS), call("call_2", OSLO)]},
                        "finish_reason": "tool_calls",
                    }
                ]
            },
        ),
        BOTH,
    ),
    case(
        "Q",
        "log probabilities and a fingerprint beside a text",
        "platform.openai.com: logprobs",
        stream(
            chunk({"role": "assistant", "content": ""}, system_fingerprint="fp_1"),
            *(event({"choices": [{"delta": {"content": each}, "logprobs": logprobs(each)}]}) for each in TEA),
            FINISH,
            DONE,
        ),
        Whole("Hello tea.", message={"system_fingerprint": "fp_1", "logprobs": logprobs(*TEA) | {"refusal": None}}),
    ),
]
