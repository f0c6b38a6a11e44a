"""Kind L: dialects of the request. What is refused by name is left out, and that is remembered for the model."""

from tests.providers.case import Asked, Case, Fails, Whole, answer, stream
from tests.upstream.scripted_upstream import DONE, FINISH, text
from worker.upstream.errors import Cause

TEA = Whole("Tea.")
GOOD = stream(text("Tea."), FINISH, DONE)
USAGE_ASKED = Asked(has={"stream_options": {"include_usage": True}})
NO_OPTIONS = Asked(lacks=("stream_options",))


def openai(message: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """A refusal as OpenAI writes it."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def pydantic(name: str) -> list[dict[str, object]]:
    """The list that pydantic writes of a field it does not know."""
    return [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": {}}]


USE_OTHER = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
UNRECOGNIZED = (
    "Unrecognized request argument supplied: stream_options. Please contact us through an Azure support request"
)
EXTRA = "Extra parameters ['stream_options'] are not allowed when extra-parameters is not set or set to be 'error'."

OPTIONS_REFUSED: tuple[tuple[str, str, int, object], ...] = (
    (
        "by Azure with its data sources",
        "openai/openai-python#2296",
        400,
        {"error": {"code": 400, "message": "Validation error at #/stream_options: Extra inputs are not permitted"}},
    ),
    (
        "as unknown",
        "QuantumNous/new-api#418",
        400,
        openai("Unknown parameter: 'stream_options'.", "stream_options", "unknown_parameter"),
    ),
    ("as unrecognized", "songquanpeng/one-api#1423", 400, openai(UNRECOGNIZED, "")),
    ("as an extra parameter", "CherryHQ/cherry-studio#9214", 422, {"detail": EXTRA}),
    ("by pydantic, in a detail", "earendil-works/pi#596", 422, {"detail": pydantic("stream_options")}),
    (
        "by pydantic, as a list in a message",
        "gpustack/gpustack#429",
        400,
        {"object": "error", "message": str(pydantic("stream_options")), "type": "BadRequestError", "code": 400},
    ),
)


def refused(name: str, source: str, status: int, body: object, first: Asked, second: Asked, **more: object) -> Case:
    """A parameter that is refused once: the same reading asks again, and the next one knows."""
    return Case(
        name,
        "L",
        source,
        (answer(status, body), GOOD),
        (TEA, TEA),
        calls=3,
        asked=(first, second, second),
        body=more,
    )


CASES: list[Case] = [
    *(
        refused(f"stream_options refused {how}", source, status, body, USAGE_ASKED, NO_OPTIONS)
        for how, source, status, body in OPTIONS_REFUSED
    ),
    refused(
        "max_tokens by another name",
        "FoundationAgents/OpenManus#555",
        400,
        openai(USE_OTHER, "max_tokens", "unsupported_parameter"),
        Asked(has={"max_tokens": 100}),
        Asked(has={"max_completion_tokens": 100}, lacks=("max_tokens",)),
        max_tokens=100,
    ),
    refused(
        "max_tokens by another name, said only in words",
        "caozhiyuan/copilot-api#164",
        400,
        {"error": {"message": USE_OTHER, "code": "invalid_request_body"}},
        Asked(has={"max_tokens": 100}),
        Asked(has={"max_completion_tokens": 100}, lacks=("max_tokens",)),
        max_tokens=100,
    ),
    refused(
        "max_completion_tokens by its older name, deep in the words",
        "editor-code-assistant/eca#231",
        422,
        {"object": "error", "message": {"detail": pydantic("max_completion_tokens")}, "type": "invalid_request_error"},
        Asked(has={"max_completion_tokens": 100}),
        Asked(has={"max_tokens": 100}, lacks=("max_completion_tokens",)),
        max_completion_tokens=100,
    ),
    refused(
        "max_completion_tokens by its older name, in a string",
        "voideditor/void#128",
        400,
        {"object": "error", "message": str(pydantic("max_completion_tokens")), "type": "BadRequestError", "code": 400},
        Asked(has={"max_completion_tokens": 100}),
        Asked(has={"max_tokens": 100}, lacks=("max_completion_tokens",)),
        max_completion_tokens=100,
    ),
    Case(
        "both refused, one after the other",
        "L",
        "openai/openai-python#2296; FoundationAgents/OpenManus#555",
        (
            answer(400, openai(USE_OTHER, "max_tokens", "unsupported_parameter")),
            answer(400, openai("Unknown parameter: 'stream_options'.", "stream_options", "unknown_parameter")),
            GOOD,
        ),
        (TEA, TEA),
        calls=4,
        asked=(
            Asked(),
            Asked(lacks=("max_tokens",)),
            *2 * (Asked({"max_completion_tokens": 9}, ("max_tokens", "stream_options")),),
        ),
        body={"max_tokens": 9},
    ),
    Case(
        "what one model refuses another still gets",
        "L",
        "openai/openai-python#2296",
        (answer(*OPTIONS_REFUSED[0][2:]), GOOD),
        (TEA, TEA, TEA),
        calls=4,
        asked=(USAGE_ASKED, NO_OPTIONS, USAGE_ASKED, NO_OPTIONS),
        models=("m-1", "m-2", "m-1"),
    ),
    Case(
        "a refusal that goes on is the end",
        "L",
        "openai/openai-python#2296",
        (answer(*OPTIONS_REFUSED[0][2:]),),
        (Fails("upstream_rejected", retryable=False, says=("stream_options",)),),
        calls=2,
    ),
    Case(
        "too many tokens is no refusal of the name",
        "L",
        "platform.openai.com: max_tokens",
        (
            answer(
                400, openai("max_tokens is too large: 32000. This model supports at most 16384 tokens.", "max_tokens")
            ),
        ),
        (Fails("upstream_rejected", retryable=False, says=("max_tokens is too large",)),),
        body={"max_tokens": 32000},
    ),
    Case(
        "too many tokens, said of the new name, is no refusal of it",
        "L",
        "Alishahryar1/free-claude-code#955",
        (answer(400, openai("max_completion_tokens must be less than or equal to 40960", "max_completion_tokens")),),
        (Fails("upstream_rejected", retryable=False, says=("less than or equal to 40960",)),),
        body={"max_completion_tokens": 64000},
    ),
    Case(
        "a parameter of the job's own is not taken out",
        # What the job asked for and the upstream will not do is for its owner to hear.
        "L",
        "decolua/9router#560",
        (
            answer(
                400,
                openai(
                    "Unsupported value: 'temperature' does not support 0.16 with this model.",
                    "temperature",
                    "unsupported_value",
                ),
            ),
        ),
        (Fails("upstream_rejected", retryable=False, says=("temperature",)),),
        body={"temperature": 0.16},
    ),
    Case(
        "the key in a header of its own",
        "L",
        "learn.microsoft.com: Azure OpenAI, api-key",
        (GOOD,),
        (TEA,),
        asked=(Asked(headers={"api-key": "a-key-for-azure"}),),
        options={"headers": {"api-key": "a-key-for-azure"}},
    ),
    Case(
        "the key where it is not looked for",
        "L",
        "issue 11, c61",
        (answer(401, {"error": {"code": "401", "message": "Access denied due to missing subscription key."}}),),
        (Fails("upstream_unauthorized", Cause.KEY, retryable=False, says=("missing subscription key",)),),
    ),
]
