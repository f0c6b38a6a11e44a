"""How providers refuse a parameter, each with the place where it was seen. `of` names what that place is about, where
only the form of the sentence was seen.
"""

from dataclasses import dataclass, field

from tests.providers.cases_requests import USE_OTHER, openai, pydantic

TOKENS = "max_completion_tokens"
KEY = "k" * 65
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


@dataclass(frozen=True)
class Refused:
    """One refusal, as a provider was seen to write it."""

    name: str
    value: object
    body: object
    source: str
    status: int = 400
    other_name: str | None = None
    more: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}, {self.source}"


def litellm(words: str) -> object:
    return {"error": {"message": f"litellm.BadRequestError: {words}", "type": None, "param": None, "code": "400"}}


def gemini(*names: str) -> object:
    each = [f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.' for name in names]
    violations = [{"description": words} for words in each]
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]
    return [
        {"error": {"code": 400, "message": "\n".join(each), "status": "INVALID_ARGUMENT", "details": details}},
    ]


def cerebras(message: str) -> object:
    return {
        "message": message,
        "type": "invalid_request_error",
        "param": "validation_error",
        "code": "wrong_api_format",
    }


def mistral(*path: object) -> object:
    detail = [{"type": "extra_forbidden", "loc": list(path), "msg": "Extra inputs are not permitted", "input": "x"}]
    return {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "param": None}


UNSUPPORTED = "Unsupported parameter: 'parallel_tool_calls' is not supported with this model."
NOT_SET = (
    "are not allowed when extra-parameters is not set or set to be 'error'. Set extra-parameters to 'pass-through'"
)
PYDANTIC_TEXT = (
    "1 validation error for ChatCompletionRequest\nuser\n  Extra inputs are not permitted [type=extra_forbidden, "
    "input_value='bob', input_type=str]\n    For further information visit https://errors.pydantic.dev/2.10/v"
)

NOT_KNOWN = [
    Refused(
        "max_tokens", 5, openai(USE_OTHER, "max_tokens", "unsupported_parameter"),
        "microsoft/vscode-copilot-release#8065", other_name=TOKENS,
    ),
    Refused("max_tokens", 5, openai(USE_OTHER), "caozhiyuan/copilot-api#164", other_name=TOKENS),
    Refused(
        "max_tokens", 5,
        litellm(f"OpenAIException - Error code: 400 - {{'error': {{'message': \"{USE_OTHER}\"}}}}"),
        "BerriAI/litellm#8213", other_name=TOKENS,
    ),
    Refused(
        "max_tokens", 5,
        {"message": "Malformed input request: #: extraneous key [max_tokens] is not permitted, please reformat"},
        "logancyang/obsidian-copilot#2145", other_name=TOKENS,
    ),
    Refused(TOKENS, 5, mistral("body", TOKENS), "editor-code-assistant/eca#231", 422, "max_tokens"),
    Refused(
        TOKENS, 5, {"object": "error", "message": str(pydantic(TOKENS)), "type": "BadRequestError", "code": 400},
        "vllm-project/vllm#10078", other_name="max_tokens",
    ),
    Refused(
        TOKENS, 5, litellm(f"cohere does not support parameters: ['{TOKENS}'], for model=command-r. To drop"),
        "BerriAI/litellm#29779", other_name="max_tokens",
    ),
    Refused("store", False, gemini("store"), "liliMozi/openhanako#394"),
    Refused("metadata", {"a": "b"}, gemini("metadata", "store"), "openai/openai-agents-python#443"),
    Refused(
        "store", False, openai("property 'store' is unsupported, did you mean 'stop'?"), "fanenr/chatbot#21"
    ),
    Refused("store", True, cerebras("store: property 'store' is unsupported"), "huggingface/huggingface.js#2268"),
    Refused("store", False, cerebras("body.store: property 'body.store' is unsupported"), "openclaw/openclaw#51058"),
    Refused(
        "metadata", {"a": "b"}, cerebras("metadata: property 'metadata' is unsupported"), "livekit/agents#1274", 422
    ),
    Refused("metadata", {"a": "b"}, mistral("body", "metadata"), "OpenHands/OpenHands-CLI#83", 422),
    Refused(
        "metadata", {"a": "b"},
        {"message": "The model returned the following errors: metadata: Extra inputs are not permitted"},
        "BerriAI/litellm#13825",
    ),
    Refused("user", "me", {"detail": "Unsupported parameter: user"}, "router-for-me/CLIProxyAPI#1119"),
    Refused("user", "me", {"detail": f"Extra parameters ['user'] {NOT_SET}"}, "danny-avila/LibreChat#8493", 422),
    Refused(
        "user", "joe",
        {"detail": "Failed to generate completion: generate_step() got an unexpected keyword argument 'user'"},
        "madroidmaq/mlx-omni-server#37", 500,
    ),
    Refused("user", "bob", openai(PYDANTIC_TEXT), "vllm-project/vllm#12864, at the top"),
    Refused(
        "prompt_cache_key", "k",
        {"error": {"code": "unrecognized_request_argument",
                   "message": "Unrecognized request argument supplied: prompt_cache_key"}},
        "vectorize-io/hindsight#3518",
    ),
    Refused(
        "prompt_cache_key", "k",
        openai("Unrecognized request arguments supplied: safety_identifier, prompt_cache_key"),
        "quarkiverse/quarkus-langchain4j#285",
    ),
    Refused(
        "verbosity", "low", openai("Unknown parameter: 'verbosity'.", "verbosity", "unknown_parameter"),
        "openai/openai-python#2528",
    ),
    Refused("verbosity", "low", openai("property 'verbosity' is unsupported"), "CherryHQ/cherry-studio#11435"),
    Refused(
        "parallel_tool_calls", False, openai(UNSUPPORTED, "parallel_tool_calls", "unsupported_parameter"),
        "run-llama/llama_index#20865", more={"tools": TOOLS},
    ),
    Refused(
        "parallel_tool_calls", False,
        litellm("anthropic does not support parameters: {'parallel_tool_calls': False}, for model=claude-3-5-sonnet."),
        "BerriAI/litellm#6456", more={"tools": TOOLS},
    ),
    Refused(
        "user", "me", {"error": "Argument not supported on this model: user"}, "yym68686/uni-api#105, of a penalty"
    ),
    Refused(
        "user", "me", {"error": "Model grok-4 does not support parameter user."}, "BerriAI/litellm#16265, of an effort"
    ),
    Refused(
        "user", "me", openai("Extra inputs are not permitted, field: 'user'"), "FlowiseAI/Flowise#2866, of options"
    ),
    Refused("service_tier", "auto", openai("property 'service_tier' is unsupported"), "fanenr/chatbot#21, of store"),
]  # fmt: skip
"""The upstream does not know it, in any request: the job goes on, and the next requests are without it."""

MANY = "too many properties. Expected an object with at most 16 properties, but got an object with 17 instead."
TIERS = "expected one of 'auto', 'default', 'flex' or 'priority', but got an integer instead."
VERTEX = "Invalid value at 'service_tier' (type.googleapis.com/google.cloud.aiplatform.v1.ServiceTier), \"STANDARD\""
A_STRING = "expected a boolean, but got a string instead."
LARGE = "max_tokens is too large: 20480. This model supports at most 16384 completion tokens, you provided 20480."
ABOVE = "integer above maximum value, expected a value <= 32768, but got 64000 instead."
ALONE = "'parallel_tool_calls' is only allowed when 'tools' are specified."
TOO_LONG = "string too long. Expected a string with maximum length 64, but got a string with length 65 instead."
AT_ONCE = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
TIER = "`service_tier` `flex` is not available for this org. You can check your plan, and upgrade to access it."
VERBOSE = "Unsupported value: 'verbosity' does not support 'low' with this model. Supported values are: 'medium'."

OF_THIS_REQUEST = [
    Refused(
        "prompt_cache_key", KEY,
        openai(f"Invalid 'prompt_cache_key': {TOO_LONG}", "prompt_cache_key", "string_above_max_length"),
        "theopenco/llmgateway#3110",
    ),
    Refused("prompt_cache_key", KEY, {"error": f"client error: Invalid 'prompt_cache_key': {TOO_LONG}"},
            "vybestack/llxprt-code#2135"),
    Refused("user", KEY, openai(f"Invalid 'user': {TOO_LONG}", "user", "string_above_max_length"),
            "theopenco/llmgateway#3110, of another label"),
    Refused("safety_identifier", KEY, openai(f"Invalid 'safety_identifier': {TOO_LONG}", "safety_identifier"),
            "theopenco/llmgateway#3110, of another label"),
    Refused(
        "metadata", {"a": "b"},
        openai(f"Invalid 'metadata': {MANY}", "metadata", "object_above_max_properties"),
        "platform.openai.com: metadata",
    ),
    Refused(
        "metadata", {"a": "b"}, openai("Unknown parameter: 'metadata.a'.", "metadata.a", "unknown_parameter"),
        "openai/openai-python#2528, of a field",
    ),
    Refused(
        "service_tier", 5,
        openai(f"Invalid type for 'service_tier': {TIERS}", "service_tier", "invalid_type"),
        "diffbot/code-gpt-docs#273, of max_tokens",
    ),
    Refused("service_tier", "flex", {"type": "error", "error": {"type": "invalid_request_error",
            "message": "Unsupported service_tier: flex"}}, "openai/codex#15099"),
    Refused("service_tier", "flex", openai(TIER), "vectorize-io/hindsight#89"),
    Refused("service_tier", "flex", openai("Unknown parameter: 'service_tier'.", "service_tier", "unknown_parameter"),
            "openai/openai-python#2528, of verbosity"),
    Refused(
        "service_tier", "priority",
        {"error": {"code": 400, "message": VERTEX, "status": "INVALID_ARGUMENT"}},
        "BerriAI/litellm#34914",
    ),
    Refused("verbosity", "low", openai(VERBOSE, "verbosity", "unsupported_value"), "google-deepmind/concordia#164"),
    Refused("store", "yes", openai(f"Invalid type for 'store': {A_STRING}", "store", "invalid_type"),
            "diffbot/code-gpt-docs#273, of max_tokens"),
    Refused(
        "max_tokens", "5", openai("Invalid type for 'max_tokens': expected an integer, but got a string instead."),
        "diffbot/code-gpt-docs#273",
    ),
    Refused(
        "max_tokens", 20480,
        openai(LARGE, "max_tokens", "invalid_value"),
        "tailcallhq/forgecode#1185",
    ),
    Refused("max_tokens", 9000, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
            "deepseek-ai/DeepSeek-V3#69"),
    Refused("max_tokens", 9000, openai("<400> Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"),
            "open-webui/open-webui#10507"),
    Refused(
        "max_tokens", 64000,
        {"error": {"code": "InvalidParameter", "param": "max_tokens", "type": "BadRequest",
                   "message": f"The parameter max_tokens specified in the request is not valid: {ABOVE}"}},
        "yiliqi78/TOKENICODE#3",
    ),
    Refused("max_tokens", 9000, openai("max_tokens above 8192 is not supported", "max_tokens"), "made up"),
    Refused("max_tokens", 9000, openai("max_tokens 9000 is not supported for this model, use 8192"), "made up"),
    Refused("max_tokens", 5, openai("'max_tokens' is not supported for your account.", "max_tokens"), "made up"),
    Refused("max_tokens", 5, openai(AT_ONCE, "max_tokens", "invalid_parameter_combination"),
            "langchain-ai/langgraph#5943"),
    Refused("user", "me", mistral("body", "messages", 0, "user", "name"), "nomtek/mistralai_client_dart#44", 422),
    Refused("metadata", {}, mistral("body", "messages", 0, "metadata"), "BerriAI/litellm#30882", 422),
    Refused(
        "user", "me", {"detail": "messages.0.user: Extra inputs are not permitted"},
        "anthropics/claude-code#4378, of another field",
    ),
    Refused("user", "me", openai("unknown field `foo`, expected one of `model`, `user`, `stream`"), "serde"),
    Refused("user", "me", {"detail": [{"loc": ["body", "user"], "msg": "Input should be a string"}]}, "pydantic", 422),
    Refused("temperature", 0.1, openai("Unsupported parameter: 'temperature' is not supported with this model.",
                                       "temperature", "unsupported_parameter"), "langchain-ai/open-swe#628"),
    Refused(
        "parallel_tool_calls", "yes",
        openai(f"Invalid type for 'parallel_tool_calls': {A_STRING}"),
        "diffbot/code-gpt-docs#273, of max_tokens", more={"tools": TOOLS},
    ),
    Refused("user", "bob", openai("This user is not supported. Ask sales."), "made up"),
    Refused("user", "bob", openai("Region of user is not supported."), "made up, of a region"),
    Refused("metadata", {"a": "b"}, openai("Image metadata is not supported."), "made up"),
]  # fmt: skip
"""It is about a value, what stands beside it, another field or this account: the job fails with these words."""

WITHOUT_EFFECT = [
    Refused(
        "parallel_tool_calls", False,
        openai(f"Invalid value for 'parallel_tool_calls': {ALONE}", "parallel_tool_calls"),
        "FellouAI/eko#123",
    ),
    Refused("metadata", {"a": "b"}, openai("The 'metadata' parameter is only allowed when 'store' is enabled."),
            "QwenLM/qwen-code#243"),
    Refused("service_tier", "auto", openai(TIER.replace("flex", "auto")), "vectorize-io/hindsight#89"),
    Refused("verbosity", "medium", openai(VERBOSE, "verbosity", "unsupported_value"), "google-deepmind/concordia#164"),
]  # fmt: skip
"""It does nothing in this request, so it is left out; in another one it may do something."""
