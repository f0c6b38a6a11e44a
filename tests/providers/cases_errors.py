"""Kind E: errors in odd places inside a 200. The upstream's words reach the job; its code counts as a status would."""

from tests.providers.case import Case, Fails, Whole, case, stream
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, chunk, event, text
from worker.upstream.errors import Cause

IN_STREAM = ("upstream_error_in_stream", "upstream_server_error")
"""The upstream's own failure. Whether it is away, or only this answer broke, its words do not say."""
REJECTED = "upstream_rejected_in_stream"
LIMITED = "upstream_rate_limited"
SPENT = "upstream_quota_spent"
HALF = text("Half a text")
GIVEN = "Half a text"
GOOD = stream(text("Hello tea."), FINISH, DONE)
CONTEXT = "request exceeds the available context size"
ERROR = {"error": {"code": 502, "message": "Provider disconnected"}}
LOST_PROVIDER = {
    "id": "x",
    "error": {"code": 502, "message": "Provider disconnected unexpectedly"},
    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
}
IN_CHOICE = [event({"choices": [{"delta": {}, "finish_reason": reason, **ERROR}]}) for reason in (None, "stop")]


def again(
    name: str, source: str, *first: bytes, code: str | tuple[str, ...], says: str, cause: Cause | None, given: str = ""
) -> Case:
    """An answer that fails and may be asked for again, which then goes well."""
    fails = Fails(code, cause, says=(says,), given=given)
    return Case(name, "E", source, (stream(*first), GOOD), (fails, Whole("Hello tea.")))


def broke_off(name: str, source: str, *first: bytes, says: str) -> Case:
    """An answer that breaks off with an error whose words do not say whose fault it is."""
    return again(name, source, *first, code=IN_STREAM, says=says, cause=None, given=GIVEN)


def final(name: str, source: str, *events: bytes, code: str = REJECTED, says: str, cause: Cause = Cause.JOB) -> Case:
    """A stream that ends in an error that no further attempt would change."""
    return case("E", name, source, stream(*events), Fails(code, cause, retryable=False, says=(says,)))


def named(name: str, payload: object) -> bytes:
    """An event with a type of its own."""
    return b"event: " + name.encode() + b"\n" + event(payload)


CASES: list[Case] = [
    final(
        "the SSE field `error:`",
        "ggml-org/llama.cpp#16109",
        b'error: {"code":400,"message":"request exceeds the available context size","type":"invalid_request"}\n\n',
        DONE,
        says=CONTEXT,
    ),
    case(
        "E",
        "the SSE field `error:` in the middle of a text",
        "unslothai/unsloth#9390",
        stream(ROLE, HALF, b'error: {"code":500,"message":"slot was killed","type":"server_error"}\n\n', DONE),
        Fails(IN_STREAM, None, says=("slot was killed",), given=GIVEN),
    ),
    final(
        "too large for the context, with code 500",
        "ggml-org/llama.cpp#15780",
        event({"error": {"code": 500, "message": CONTEXT, "type": "exceed_context_size_error", "n_ctx": 256}}),
        says=CONTEXT,
    ),
    final(
        "an error as the first event",
        "openclaw/clawrouter#101",
        named("error", {"error": {"message": "invalid request", "type": "invalid_request", "code": 400}}),
        says="invalid request",
    ),
    final(
        "error_type and error_message at the top",
        "NousResearch/hermes-agent#65643",
        event({"choices": None, "error_type": "BadRequestError", "error_message": "the context is 8192 tokens"}),
        says="the context is 8192 tokens",
    ),
    broke_off(
        "an error that is a sentence",
        "octos-org/octos#13",
        HALF,
        named("error", {"error": "Stream error: Internal Network Failure"}),
        says="Internal Network Failure",
    ),
    broke_off(
        "an error in the words of Anthropic",
        "farzaa/clicky#132",
        HALF,
        named("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        says="Overloaded",
    ),
    broke_off(
        "an error of text-generation-inference",
        "huggingface/text-generation-inference#2668",
        HALF,
        event({"error": "Request failed during generation: out of memory", "error_type": "generation"}),
        says="out of memory",
    ),
    again(
        "an error chunk with finish_reason error",
        "issue 11, c36: OpenRouter",
        b": OPENROUTER PROCESSING\n\n",
        text("Hello"),
        event(LOST_PROVIDER),
        DONE,
        code=IN_STREAM,
        cause=None,
        says="Provider disconnected",
        given="Hello",
    ),
    again(
        "a chunk without choices, an error at the top",
        "diegosouzapw/OmniRoute#8210",
        event(
            {
                "choices": [],
                "error": {
                    "code": 502,
                    "message": "Worker local total request limit reached (33/32)",
                    "metadata": {"error_type": "provider_unavailable"},
                },
            }
        ),
        code=IN_STREAM,
        cause=None,
        says="Worker local total request limit reached",
    ),
    again(
        "base_resp says slow down",
        "platform.minimax.io: errorcode 1002",
        event(
            {
                "choices": None,
                "usage": {"total_tokens": 0},
                "base_resp": {"status_code": 1002, "status_msg": "rate limit"},
            }
        ),
        code=LIMITED,
        cause=Cause.LIMIT,
        says="rate limit",
    ),
    final(
        "base_resp says out of credit",
        "platform.minimax.io: errorcode 1008",
        event({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        code=SPENT,
        cause=Cause.CREDIT,
        says="insufficient balance",
    ),
    final(
        "base_resp refuses the key",
        "platform.minimax.io: errorcode 1004",
        event({"base_resp": {"status_code": 1004, "status_msg": "not authorized"}}),
        code="upstream_unauthorized",
        cause=Cause.KEY,
        says="not authorized",
    ),
    case(
        "E",
        "a bare JSON line inside the stream",
        "NousResearch/hermes-agent#86496",
        stream(HALF, b'{"error":{"message":"too many requests","code":"429"}}\n\n'),
        Fails(LIMITED, Cause.LIMIT, says=("too many requests",), given=GIVEN),
    ),
    Case(
        "a plain line of a proxy, then a clean end",
        "E",
        "tetsuo-ai/agenc-core#2492",
        (GOOD, stream(HALF, b"upstream error: read ECONNRESET\n")),
        (Whole("Hello tea."), Fails("upstream_ended_without_end", says=("ECONNRESET",), given=GIVEN)),
    ),
    final(
        "out of credit, said in the stream",
        "apache/rocketmq-dashboard#2178",
        event({"error": {"message": "user quota is not enough", "code": "insufficient_user_quota"}}),
        DONE,
        code=SPENT,
        cause=Cause.CREDIT,
        says="user quota is not enough",
    ),
    final(
        "a status inside the stream",
        "BerriAI/litellm#32237",
        event({"error": {"message": "the prompt is too long", "code": 400, "type": "BadRequestError"}}),
        says="the prompt is too long",
    ),
    case(
        "E",
        "a relay's own failure after some text",
        "BerriAI/litellm#3253",
        stream(
            HALF,
            event({"error": {"message": "Error serializing to JSON", "type": "None", "param": "None", "code": 500}}),
        ),
        Fails(IN_STREAM, None, says=("Error serializing to JSON",), given=GIVEN),
    ),
    case(
        "E",
        "an answer that cannot be read is quoted",
        "issue 11: the job's error quotes what was received",
        stream(event({"kind": "surprise", "payload": [1, 2, 3]})),
        Fails("upstream_ended_without_end", says=("surprise",)),
    ),
    case(
        "E",
        "an event that is no JSON is quoted",
        "anomalyco/opencode#8282",
        stream(HALF, b'data: {"choices":[{"delta":{"role":"adata: {"id":"2026"}\n\n'),
        Fails("upstream_malformed_chunk", says=("adata:",), given=GIVEN),
    ),
    case(
        "E",
        "an error after the whole answer costs no text",
        "vllm-project/vllm#57082",
        stream(text("Hello tea."), chunk({}, "stop"), event({"error": {"message": "shutting down", "code": 500}})),
        Whole("Hello tea."),
    ),
    broke_off(
        "success false, and a status beside the code",
        "CommandCodeAI/command-code#785",
        HALF,
        event({"success": False, "error": {"code": "INTERNAL_SERVER_ERROR", "status": 500, "message": "unexpected"}}),
        says="unexpected",
    ),
    again(
        "a status beside an error that is a phrase",
        "docs.spring.io: the default error attributes",
        event({"timestamp": 1, "status": 429, "error": "Too Many Requests", "path": "/v1/chat/completions"}),
        code=LIMITED,
        cause=Cause.LIMIT,
        says="Too Many Requests",
    ),
    case(
        "E",
        "a heartbeat in the middle of a chunk",
        "james-6-23/codex2api#696",
        stream(HALF, b'data: {"choices":[{"index":0,"delta":{"content":" more"},"x":fals: keepalive\n\ne}]}\n\n', DONE),
        Fails("upstream_malformed_chunk", says=("keepalive",), given=GIVEN),
    ),
    *(
        broke_off(
            f"an error in the choice, {number}", "OpenRouter: errors", HALF, said, DONE, says="Provider disconnected"
        )
        for number, said in enumerate(IN_CHOICE)
    ),
]
