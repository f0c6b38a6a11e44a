"""Kind E, in one piece: a body that is an error, a page or something else, mostly with status 200."""

import json

from tests.providers.case import Case, Fails, answer, case
from tests.providers.cases_errors import CONTEXT, LIMITED, REJECTED
from tests.upstream.scripted_upstream import head
from worker.upstream.errors import Cause

CASES: list[Case] = [
    case(
        "E",
        "too large for the context, in a JSON body",
        "oobabooga/textgen#7257",
        answer(200, {"error": {"code": 400, "message": CONTEXT, "type": "exceed_context_size_error"}}),
        Fails(REJECTED, retryable=False, says=(CONTEXT,)),
    ),
    case(
        "E",
        "code and msg say slow down",
        "cloud.baidu.com: WENXINWORKSHOP/s/cm79w0mjf",
        answer(200, {"code": "rpm_rate_limit_exceeded", "msg": "Rate limit reached for RPM"}),
        Fails(LIMITED, Cause.LIMIT, says=("Rate limit reached for RPM",)),
    ),
    case(
        "E",
        "error_code and error_msg say slow down",
        "ai.baidu.com: WENXINWORKSHOP/tlmyncueh",
        answer(200, {"error_code": 18, "error_msg": "Open api qps request limit reached"}),
        Fails(LIMITED, Cause.LIMIT, says=("qps request limit",)),
    ),
    case(
        "E",
        "error_code and error_msg refuse the key",
        "ai.baidu.com: WENXINWORKSHOP/tlmyncueh",
        answer(200, {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}),
        Fails("upstream_unauthorized", Cause.KEY, retryable=False, says=("Access token invalid",)),
    ),
    case(
        "E",
        "a JSON list",
        "google-gemini/gemini-cli#14811",
        answer(200, [{"error": {"code": 429, "message": "Resource exhausted.", "status": "RESOURCE_EXHAUSTED"}}]),
        Fails(LIMITED, Cause.LIMIT, says=("Resource exhausted",)),
    ),
    case(
        "E",
        "the status in the words",
        "QwenLM/qwen-code#3145",
        answer(
            200, {"error": {"message": "<400> InternalError.Algo.DataInspectionFailed: Input may be inappropriate."}}
        ),
        Fails(REJECTED, retryable=False, says=("DataInspectionFailed",)),
    ),
    case(
        "E",
        "a web page with status 200",
        "issue 11, c38",
        (head(200, "text/html"), b"<!doctype html><html><head><title>New API</title></head><body></body></html>"),
        Fails("upstream_not_a_stream", says=("HTML page", "LONGHAND_UPSTREAM_URL", "New API")),
    ),
    case(
        "E",
        "an error event under a refused status",
        "DeliciousBuding/new-api#142",
        answer(
            429,
            b"event:error\ndata:"
            + json.dumps({"code": "Throttling.RateQuota", "message": "slow down"}).encode()
            + b"\n\n",
            "text/event-stream",
        ),
        Fails(LIMITED, Cause.LIMIT, says=("slow down",)),
    ),
]
