"""Kind C: fields beside the text. Whatever they hold, the text is kept; what is empty is absent."""

from tests.providers.case import Case, Whole, answer, case, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, chunk, event, text

TEA = Whole("Hello tea.")
HELLO, REST = text("Hello"), text(" tea.")
EMPTY_ERROR = {"message": "", "type": "", "param": "", "code": None}


def last(**fields: object) -> bytes:
    """A last chunk whose choice holds these fields."""
    return event({"id": "x", "choices": [{"index": 0, "finish_reason": "stop", **fields}]})


def part(*parts: object) -> bytes:
    """A chunk whose content is a list of parts."""
    return chunk({"content": list(parts)})


def with_beside(**fields: object) -> bytes:
    """A piece of text in a delta that holds more."""
    return chunk({"content": " tea.", **fields})


CASES: list[Case] = [
    case(
        "C",
        "a plain good stream",
        "platform.openai.com: chat streaming",
        stream(ROLE, HELLO, REST, FINISH, event({"id": "x", "choices": [], "usage": usage(11, 7)}), DONE),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "C",
        "an empty tool call in every chunk",
        "issue 11, c57",
        stream(
            *(
                chunk({"content": each, "tool_calls": [], "function_call": None, "refusal": None})
                for each in ("Hello", " tea.")
            ),
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "a tool call without a name",
        "issue 11, c26: the same in `tool_calls`",
        stream(
            HELLO,
            with_beside(tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": ""}}]),
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case("C", "an empty delta that is a list", "issue 11, c25", stream(HELLO, REST, last(delta=[]), DONE), TEA),
    case(
        "C",
        "a last chunk whose delta is null",
        "microsoft/agent-framework#5734",
        stream(HELLO, REST, last(delta=None), DONE),
        TEA,
    ),
    case("C", "a last chunk without a delta", "lingyuins/octopus#62", stream(HELLO, REST, last(), DONE), TEA),
    case(
        "C",
        "choices null between good chunks",
        "pydantic/pydantic-ai#5165",
        stream(HELLO, event({"id": "x", "choices": None, "usage": None}), REST, FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "an event without choices",
        "openai/openai-node#364",
        stream(event({"id": "x", "object": "chat.completion.chunk"}), HELLO, REST, FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "a reference among the parts",
        "vercel/ai#4747",
        stream(
            HELLO,
            part({"type": "reference", "reference_ids": [0, 1]}),
            part({"type": "text", "text": " tea."}),
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "a content that is one part and no list",
        "vercel/ai#4747",
        stream(HELLO, chunk({"content": {"type": "reference", "reference_ids": [0]}}), REST, FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "thinking among the parts",
        "BerriAI/litellm#16272",
        stream(
            part({"type": "thinking", "thinking": [{"type": "text", "text": "They want tea."}]}),
            HELLO,
            REST,
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "citations as annotations",
        "platform.openai.com: url_citation",
        stream(
            HELLO,
            with_beside(
                annotations=[{"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "A"}}]
            ),
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "an error object whose values are all empty",
        "issue 11, kind C",
        stream(
            chunk({"content": "Hello"}, error=EMPTY_ERROR),
            chunk({"content": " tea."}, error={}),
            chunk({}, "stop", error=""),
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "an error that is null in every chunk",
        "issue 11, kind C",
        stream(chunk({"content": "Hello"}, error=None), chunk({"content": " tea."}, error=None), FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "base_resp of success",
        "platform.minimax.io: errorcode 0",
        stream(HELLO, chunk({"content": " tea."}, base_resp={"status_code": 0, "status_msg": ""}), FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "null content, null role, null everything",
        "BerriAI/litellm#2010",
        stream(
            HELLO,
            REST,
            chunk({"content": None, "role": None, "tool_calls": None, "audio": None}, "stop", logprobs=None),
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "log probabilities beside each token",
        "BerriAI/litellm#4898",
        stream(
            event(
                {
                    "choices": [
                        {"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": [{"token": "Hello"}]}}
                    ]
                }
            ),
            REST,
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "an empty refusal in an answer that came whole",
        "issue 11, kind C",
        answer(
            200,
            {
                "error": None,
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": "Hello tea.", "refusal": "", "tool_calls": [], "function_call": None},
                        "finish_reason": "stop",
                        "stop_reason": None,
                    }
                ],
                "usage": usage(11, 7),
            },
        ),
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "C",
        "empty data as a heartbeat",
        "Growth-Circle/cadis#362",
        stream(b"data:\n\n", HELLO, b"data: \n\n", REST, b"data\n\n", FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "JSON as a heartbeat",
        "caozhiyuan/copilot-api#88",
        stream(
            event({"type": "ping"}),
            HELLO,
            b"event: ping\n" + event({"type": "heartbeat", "timestamp": "2026-11-28T03:00:00Z"}),
            REST,
            FINISH,
            DONE,
        ),
        TEA,
    ),
    case(
        "C",
        "an event that is only named, as a heartbeat",
        "diegosouzapw/OmniRoute#1146",
        stream(HELLO, b"event: keepalive\n\n", REST, b": ping\n", FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "an event that says only that all is well",
        "xfyun.cn: doc/spark/workflow.html",
        stream(event({"code": 0, "message": "Success", "sid": "cha0001"}), HELLO, REST, FINISH, DONE),
        TEA,
    ),
    case(
        "C",
        "choices that are an empty object",
        "issue 11, kind C: empty means absent",
        stream(event({"choices": {}, "usage": None}), HELLO, REST, FINISH, DONE),
        TEA,
    ),
]
