"""Kind C, whole answers: what single gateways put beside a text, chunk by chunk."""

from tests.providers.case import Case, Fails, Whole, case, data, stream, usage
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, event, text

AZURE = stream(
    event({"choices": [], "created": 0, "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]}),
    chunk({"role": "assistant", "content": ""}, usage=None),
    chunk({"content": "Hello"}, usage=None),
    chunk({"content": " tea."}, usage=None),
    event({"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}),
    chunk({}, "stop", usage=None),
    event({"id": "x", "choices": [], "usage": usage(11, 7)}),
    DONE,
)
BAD_GATEWAY = b"<html>502 Bad Gateway</html>\n\n"
HALF = Fails("upstream_ended_without_end", says=("502 Bad Gateway",), given="Hello")
NOTHINGS: dict[str, object] = {"reasoning_content": "", "refusal": "", "tool_calls": [], "extra_fields": None}
CODEBUDDY = stream(
    *(chunk({"content": each, "function_call": None, **NOTHINGS}, "", usage=None) for each in ("Hello", " tea.")),
    chunk({"content": "", "function_call": {"name": "", "arguments": ""}, **NOTHINGS}, "stop", usage=usage(5, 10)),
    DONE,
)
PERPLEXITY = stream(
    *(
        data(
            {
                "object": "chat.completion",
                "citations": ["https://example.org/a"],
                "usage": usage(11, len(whole)),
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": reason,
                        "message": {"role": "assistant", "content": whole},
                        "delta": {"role": "assistant", "content": piece},
                    }
                ],
            }
        )
        for piece, whole, reason in (
            ("Hello", "Hello", None),
            (" tea.", "Hello tea.", None),
            ("[1]", "Hello tea.[1]", "stop"),
        )
    ),
    DONE,
)
MINIMAX = stream(
    chunk(
        {"role": "", "reasoning_content": ""}, usage={"total_tokens": 0, "total_characters": 0}, input_sensitive=False
    ),
    *(
        chunk({"role": "", "content": each, "name": "MiniMax AI", "audio_content": ""}, usage={"total_tokens": 0})
        for each in ("Hello", " tea.")
    ),
    chunk({}, "stop", usage=usage(11, 7)),
    DONE,
)

CASES: list[Case] = [
    case(
        "C",
        "an empty function_call in the last chunk",
        "issue 11, c26",
        CODEBUDDY,
        Whole("Hello tea.", input_tokens=5, output_tokens=10),
    ),
    case(
        "C",
        "Azure's first chunk and its filter chunks",
        "issue 11, c35",
        AZURE,
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "C",
        "MiniMax: empty roles, odd fields",
        "platform.minimax.io: chat completion",
        MINIMAX,
        Whole("Hello tea.", input_tokens=11, output_tokens=7),
    ),
    case(
        "C",
        "Perplexity: message and delta in one chunk",
        "docs.perplexity.ai: chat completions",
        PERPLEXITY,
        Whole("Hello tea.[1]", input_tokens=11, output_tokens=13),
    ),
    case(
        "C",
        "iFlytek: code 0 and Success in every chunk",
        "xfyun.cn: doc/spark/workflow.html",
        stream(
            *(
                event({"code": 0, "message": "Success", "choices": [{"delta": {"content": each}, "index": 0}]})
                for each in ("Hello", " tea.")
            ),
            event({"code": 0, "message": "Success", "choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]}),
            DONE,
        ),
        Whole("Hello tea."),
    ),
    case(
        "C",
        "another server's page, then the gateway's own [DONE]",
        "answers.md, kind A, behind a gateway",
        stream(text("Hello"), BAD_GATEWAY, DONE),
        HALF,
    ),
    case(
        "C",
        "another server's page where stop stands beside each text",
        "answers.md, kind A, behind a gateway",
        stream(chunk({"content": "Hello"}, "stop"), BAD_GATEWAY, DONE),
        HALF,
    ),
    Case(
        "another server's page in an answer of a model that gives no finish_reason",
        "C",
        "answers.md, kind A, behind a gateway",
        (stream(text("Hello"), DONE), stream(text("Hello"), BAD_GATEWAY, DONE)),
        (Whole("Hello", None), HALF),
    ),
    case(
        "C",
        "another server's page behind the proven end",
        "answers.md, kind A, behind a gateway",
        stream(text("Hello"), text(" tea."), FINISH, BAD_GATEWAY, DONE),
        Whole("Hello tea."),
    ),
    case(
        "C",
        "a line of a gateway between the texts",
        "answers.md, kind A, behind a gateway",
        stream(text("Hello"), b"-- 17 ms --\n\n", text(" tea."), DONE),
        Whole("Hello tea.", None),
    ),
    case(
        "C",
        "a BOM in the middle, where two streams are joined",
        "answers.md, kind D, behind a gateway",
        stream(text("Hello"), b"\xef\xbb\xbf" + text(" tea."), FINISH, DONE),
        Whole("Hello tea."),
    ),
]
