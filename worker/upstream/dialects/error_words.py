"""What goes wrong, by the codes and the sentences with which upstreams report it."""

import re
from collections.abc import Callable
from enum import StrEnum
from itertools import islice
from typing import NamedTuple


class Trouble(StrEnum):
    """What an error says, wherever it stands. The order is that in which they count when an answer says several."""

    TOO_LARGE = "too_large"
    """This one request is larger than the limit, or than the model's context."""
    REJECTED = "rejected"
    """The request itself: its model, its content, its form."""
    OUT_OF_CREDIT = "out_of_credit"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    KEY_REFUSED = "key_refused"
    AWAY = "away"


class Codes(NamedTuple):
    """Values of `code`, `type` or `status`, in lower case."""

    trouble: Trouble
    codes: str
    source: str


class Words(NamedTuple):
    """A pattern found in what an error says to people; the case does not matter."""

    trouble: Trouble
    pattern: str
    source: str


_CODES = (
    Codes(Trouble.TOO_LARGE, "context_length_exceeded string_above_max_length", "OpenAI API reference, error codes"),
    Codes(Trouble.TOO_LARGE, "exceed_context_size_error", "llama.cpp server"),
    Codes(Trouble.TOO_LARGE, "1261", "Zhipu BigModel, error codes"),
    Codes(Trouble.TOO_LARGE, "tokens_too_long characters_too_long", "Baidu Qianfan, error codes"),
    Codes(Trouble.REJECTED, "invalid_request invalid_request_error bad_request badrequesterror bad_request_error"
          " unprocessable_entity validation_error", "OpenAI; vLLM; gateways"),
    Codes(Trouble.REJECTED, "unsupported_parameter unsupported_value unknown_parameter missing_required_parameter"
          " invalid_value invalid_type invalid_json_schema", "OpenAI, error codes"),
    Codes(Trouble.REJECTED, "tool_use_failed json_validate_failed model_decommissioned", "Groq, error codes"),
    Codes(Trouble.REJECTED, "content_filter content_policy_violation", "OpenAI and Azure OpenAI"),
    Codes(Trouble.REJECTED, "responsibleaipolicyviolation", "Azure OpenAI"),
    Codes(Trouble.REJECTED, "datainspectionfailed data_inspection_failed", "DashScope, error codes"),
    Codes(Trouble.REJECTED, "1301 1211 1210 1214 1311", "Zhipu BigModel, error codes"),
    Codes(Trouble.REJECTED, "1026 1027 2013", "MiniMax, error codes"),
    Codes(Trouble.REJECTED, "inputtextriskdetection outputtextriskdetection sensitivecontentdetected modelnotopen"
          " invalidendpointormodel.notfound", "Volcengine Ark, error codes"),
    Codes(Trouble.REJECTED, "unsafe_request invalid_model", "Baidu Qianfan, error codes"),
    Codes(Trouble.REJECTED, "model_not_found not_found not_found_error notfounderror modelnotfound"
          " model_not_found_error", "OpenAI; vLLM; Anthropic"),
    Codes(Trouble.REJECTED, "key_model_access_denied team_model_access_denied user_model_access_denied",
          "LiteLLM proxy (401)"),
    Codes(Trouble.REJECTED, "model_permission_blocked_project model_permission_blocked_org", "Groq, error codes (403)"),
    Codes(Trouble.OUT_OF_CREDIT, "insufficient_quota billing_hard_limit_reached billing_not_active"
          " credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded"
          " organization_usage_limit_exceeded", "OpenAI, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "insufficient_balance quota_exceeded insufficient_credits payment_required",
          "relays and gateways"),
    Codes(Trouble.OUT_OF_CREDIT, "exceeded_current_quota_error", "Moonshot, error reference"),
    Codes(Trouble.OUT_OF_CREDIT, "1113 1304 1308 1309 1310", "Zhipu BigModel, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "1008 2056", "MiniMax, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "arrearage allocationquota.freetieronly", "DashScope, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "accountoverdueerror quotaexceeded", "Volcengine Ark, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "billing_insufficient_balance", "Baidu Qianfan, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "insufficient_user_quota pre_consume_token_quota_failed local:insufficient_quota",
          "one-api and new-api"),
    Codes(Trouble.OUT_OF_CREDIT, "modelarts.81019 modelarts.81021 modelarts.81022", "Huawei ModelArts, error codes"),
    Codes(Trouble.OUT_OF_CREDIT, "30001", "SiliconFlow, error codes"),
    Codes(Trouble.RATE_LIMITED, "rate_limit_exceeded rate_limit_error rate_limit_reached rate_limited too_many_requests"
          " slow_down tokens requests", "OpenAI, error codes"),
    Codes(Trouble.RATE_LIMITED, "rate_limit_reached_error", "Moonshot, error reference"),
    Codes(Trouble.RATE_LIMITED, "ratelimitreached", "Azure OpenAI"),
    Codes(Trouble.RATE_LIMITED, "resource_exhausted", "Gemini and Vertex AI"),
    Codes(Trouble.RATE_LIMITED, "1302 1303 1313", "Zhipu BigModel, error codes"),
    Codes(Trouble.RATE_LIMITED, "throttling throttling.ratequota throttling.allocationquota throttling.burstrate"
          " limit_requests limit_burst_rate throttlingexception", "DashScope, error codes; Amazon Bedrock"),
    Codes(Trouble.RATE_LIMITED, "rpm_rate_limit_exceeded tpm_rate_limit_exceeded rate_limit_total_qps 336501 336502",
          "Baidu Qianfan, error codes"),
    Codes(Trouble.RATE_LIMITED, "1002 1039 1041 2045", "MiniMax, error codes"),
    Codes(Trouble.RATE_LIMITED, "ratelimitexceeded modelaccountrpmratelimitexceeded modelaccounttpmratelimitexceeded",
          "Volcengine Ark, error codes"),
    Codes(Trouble.RATE_LIMITED, "modelarts.81101", "Huawei ModelArts, error codes"),
    Codes(Trouble.OVERLOADED, "overloaded overloaded_error provideroverloaded", "Anthropic; OpenRouter"),
    Codes(Trouble.OVERLOADED, "engine_overloaded_error", "Moonshot, error reference"),
    Codes(Trouble.OVERLOADED, "serveroverloaded", "Volcengine Ark, error codes"),
    Codes(Trouble.OVERLOADED, "1305 1312", "Zhipu BigModel, error codes"),
    Codes(Trouble.OVERLOADED, "50505", "SiliconFlow, error codes"),
    Codes(Trouble.KEY_REFUSED, "authentication_error invalid_api_key permission_error permission_denied unauthorized"
          " forbidden unauthenticated", "OpenAI; Anthropic; Gemini"),
    Codes(Trouble.KEY_REFUSED, "api_key_invalid", "Gemini, google.rpc.ErrorInfo"),
    Codes(Trouble.KEY_REFUSED, "1000_key 1110 1111 1112 1120 1121 1220", "Zhipu BigModel, error codes"),
    Codes(Trouble.KEY_REFUSED, "1004 2049", "MiniMax, error codes"),
    Codes(Trouble.KEY_REFUSED, "invalid_iam_token", "Baidu Qianfan, error codes"),
    Codes(Trouble.KEY_REFUSED, "invalidapikey authenticationerror", "DashScope; Volcengine Ark"),
    Codes(Trouble.AWAY, "unavailable_error unavailable service_unavailable", "llama.cpp server; Gemini"),
)  # fmt: skip

_WORDS = (
    Words(Trouble.TOO_LARGE, r"request too large|too large for (?:this|the) (?:model|limit)|needs more tokens"
          r"|must be reduced in order to run|reduce your message size", "OpenAI and Groq: tokens per minute"),
    Words(Trouble.TOO_LARGE, r"maximum context length|context size|context window exceeds|context length"
          r"|input token count .{0,400} must be less", "vLLM; llama.cpp; MiniMax; Together"),
    Words(Trouble.REJECTED, r"flagged|moderation|high risk|content policy|content management policy"
          r"|data_?inspection_?failed", "OpenRouter (403); Moonshot; Azure OpenAI; DashScope"),
    Words(Trouble.REJECTED, r"(?:country|region|territory).{0,40}not supported|access to (?:the )?model"
          r"|model .{0,80}not (?:allowed|exist|found|supported)|no permission .{0,40}model",
          "OpenAI (403); Azure OpenAI; new-api"),
    Words(Trouble.RATE_LIMITED, r"per[ -](?:minute|min|second|day)\b|\b(?:tpm|rpm|qps)\b|rate.?limit|too many requests"
          r"|allocated quota exceeded|请求过于频繁|速率限制|限流",
          "DashScope (insufficient_quota); SiliconFlow; Gemini"),
    Words(Trouble.OUT_OF_CREDIT, r"insufficient (?:account )?(?:balance|credit|fund)"
          r"|balance (?:is )?(?:insufficient|too low)|credit balance|recharge|overdue|in arrears|arrearage"
          r"|good standing|spend(?:ing)? limit"
          r"|usage limit for this billing|quota is not enough|plan and billing|out of credits?"
          r"|requires more credits|any credits yet|used all available credits"
          r"|余额不足|额度不足|欠费|充值", "DeepSeek, Moonshot, Zhipu, Anthropic, xAI, one-api, OpenRouter"),
    Words(Trouble.OVERLOADED, r"overloaded|over capacity|at capacity|capacity exceeded|no capacity|server (?:is )?busy"
          r"|too busy|no available (?:channel|instance)|负载|系统繁忙", "Together; SiliconFlow; Zhipu; new-api"),
    Words(Trouble.KEY_REFUSED, r"api.?key not valid|incorrect api key|invalid api.?key|invalid token|无效的令牌"
          r"|access token invalid|token (?:is )?(?:invalid or )?no longer valid",
          "Gemini (400); xAI (400); new-api; Baidu"),
)  # fmt: skip

_VAGUE = frozenset((
    "invalid_request", "invalid_request_error", "bad_request", "badrequesterror", "bad_request_error",
    "unprocessable_entity", "validation_error",
))  # fmt: skip
"""Said of any request that is refused with a 400, also by those that mean their account with it."""

_MOST_PLACES = 50

_BY_CODE = {code: row.trouble for row in _CODES for code in row.codes.split()}
_BY_WORDS = [(row.trouble, re.compile(row.pattern, re.IGNORECASE)) for row in _WORDS]


def troubles_of_codes(codes: set[str]) -> set[Trouble]:
    """What the codes of an error mean; `codes` are in lower case."""
    return {_BY_CODE[code] for code in codes if code in _BY_CODE}


def say_what_was_refused(codes: set[str]) -> bool:
    """Whether one of these codes says which part of the request is at fault."""
    troubles = troubles_of_codes(codes - _VAGUE)
    return Trouble.REJECTED in troubles or Trouble.TOO_LARGE in troubles


def troubles_of_words(sentence: str, is_own: Callable[[str], bool] = lambda _: False) -> set[Trouble]:
    """What a sentence to people means; words that are the request's own mean nothing."""
    return {trouble for trouble, pattern in _BY_WORDS if _is_said(pattern, sentence, is_own)}


def _is_said(pattern: re.Pattern[str], sentence: str, is_own: Callable[[str], bool]) -> bool:
    # A sentence that repeats them so often is an echo.
    return any(not is_own(found[0]) for found in islice(pattern.finditer(sentence), _MOST_PLACES))
