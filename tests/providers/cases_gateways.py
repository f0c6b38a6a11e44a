"""Kind C, whole answers: what single gateways put beside a text, chunk by chunk."""

from tests.providers.case import Case, Whole, case, data, stream, usage
from tests.upstream.scripted_upstream import DONE, chunk, event

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
]
