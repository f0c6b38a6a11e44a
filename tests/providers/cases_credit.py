"""Kind F: an account that is out of credit, which no waiting cures, whatever the status and the code say."""

from tests.providers.case import Case, Fails, answer, case
from worker.upstream.errors import Cause

SPENT = Fails("upstream_quota_spent", Cause.CREDIT, retryable=False)

REFUSALS: tuple[tuple[str, str, int, object], ...] = (
    (
        "Moonshot: suspended",
        "continuedev/continue#11443",
        429,
        {
            "error": {
                "message": "Your account is suspended due to insufficient balance, please recharge",
                "type": "exceeded_current_quota_error",
            }
        },
    ),
    (
        "Zhipu: 1113",
        "docs.bigmodel.cn: api-code",
        429,
        {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}},
    ),
    (
        "a relay's 403 without balance",
        "issue 11, c09",
        403,
        {"code": "INSUFFICIENT_BALANCE", "message": "Insufficient account balance"},
    ),
    (
        "one-api: user quota",
        "songquanpeng/one-api#1270",
        403,
        {
            "error": {
                "message": "user quota is not enough",
                "type": "one_api_error",
                "param": "",
                "code": "insufficient_user_quota",
            }
        },
    ),
    (
        "DeepSeek: 402",
        "anomalyco/opencode#27593",
        402,
        {
            "error": {
                "message": "Insufficient Balance",
                "type": "unknown_error",
                "param": None,
                "code": "invalid_request_error",
            }
        },
    ),
    (
        "OpenAI: insufficient_quota",
        "ChatGPTNextWeb/NextChat#4101",
        429,
        {
            "error": {
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "type": "insufficient_quota",
                "param": None,
                "code": "insufficient_quota",
            }
        },
    ),
    (
        "OpenAI: a spending limit",
        "learn.microsoft.com: openai-insufficient-quota",
        429,
        {
            "error": {
                "message": "This project has reached its limit.",
                "type": "x",
                "code": "project_spend_limit_exceeded",
            }
        },
    ),
    (
        "DashScope: in arrears, as a 400",
        "help.aliyun.com: model-studio/error-code",
        400,
        {
            "error": {
                "code": "Arrearage",
                "message": "Access denied, please make sure your account is in good standing.",
                "type": "Arrearage",
            }
        },
    ),
    (
        "Anthropic: credit too low, as a 400",
        "anthropics/claude-code#4684",
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API.",
            },
        },
    ),
    (
        "xAI: the body is a JSON string",
        "continuedev/continue#10373",
        429,
        "Your team t has either used all available credits or reached its monthly spending limit.",
    ),
    (
        "Volcengine: an overdue balance",
        "volcengine.com: docs/82379/1299023",
        403,
        {
            "error": {
                "code": "AccountOverdueError",
                "message": "your account has an overdue balance",
                "type": "Forbidden",
            }
        },
    ),
    (
        "OpenRouter: fewer max_tokens or more credits",
        "anomalyco/opencode#12219",
        402,
        {"error": {"message": "This request requires more credits, or fewer max_tokens.", "code": 402}},
    ),
)

CASES: list[Case] = [case("F", name, source, answer(status, body), SPENT) for name, source, status, body in REFUSALS]
