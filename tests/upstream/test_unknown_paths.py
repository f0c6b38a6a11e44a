"""What says that an upstream knows no such path, so that its URL is wrong, and what is only about a request."""

import json

import pytest

from tests.upstream.test_refusals import PAGE, refuse
from worker.upstream.errors import NotAStream, RateLimited, Rejected, RejectedInStream
from worker.upstream.failures import error_of_body, error_of_status
from worker.upstream.own_words import OwnWords


@pytest.mark.parametrize(
    "said",
    [
        {"message": "Invalid URL (POST /chat/completions)", "type": "invalid_request_error", "code": None},
        {"message": "Unknown request URL: POST /chat/completions. Please check it.", "code": "unknown_url"},
        {"message": "No.", "code": "unknown_url"},
        {"code": "404", "message": "Resource not found"},
        {"message": "Not Found", "type": "Not Found", "param": None, "code": 404},
        {"code": 404, "message": "File Not Found", "type": "not_found_error"},
        {"message": "Cannot POST /chat/completions", "error": "Not Found", "statusCode": 404},
        {"message": "Route POST:/api/chat/completions not found", "error": "Not Found", "statusCode": 404},
        {"message": "no Route matched with those values"},
    ],
)
def test_an_error_that_says_that_there_is_no_such_path_says_that_the_url_is_wrong(said: dict[str, object]) -> None:
    """In the words of OpenAI, Groq, Azure OpenAI, vLLM, llama.cpp, NestJS, Fastify and Kong."""
    for body in (said, {"error": said}):
        error = refuse(404, json.dumps(body).encode())
        assert (type(error), error.retryable) == (NotAStream, True)
        assert "lacks its path, such as /v1" in error.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"there is no such voice"),
        (404, b'{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}'),
        (404, b'{"detail":"Model x is not loaded"}'),
        (404, b"model 'x' not found, try pulling it first"),
        (404, b'{"error":{"message":"Not Found","code":"model_not_found"}}'),
        (404, b'{"error":{"message":"Not Found","param":"model"}}'),
        (404, b'{"error":{"message":"model: claude-x","type":"not_found_error"}}'),
        (404, b'{"error":{"message":"No such deployment","type":"Not Found"}}'),
        (400, b'{"error":{"message":"Not Found"}}'),
        (413, PAGE),
        (422, b"Failed to deserialize the JSON body into the target type"),
        (431, b""),
    ],
)
def test_a_refusal_of_one_request_is_the_requests_own(status: int, body: bytes) -> None:
    assert type(refuse(status, body)) is Rejected


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": 'POST "https://x/v1/chat/completions": 404 Not Found', "code": "model_not_found"}},
        {"error": {"message": 'POST "https://x/v1/chat/completions": 404 Not Found {"message":"no model gpt-9"}'}},
        {"error": {"code": "DeploymentNotFound", "message": "Resource not found"}},
        {"error": {"type": "ModelNotFoundError", "message": "Not found."}},
        {"error": {"code": "NoSuchModel", "message": "Not found"}},
        {"status": 404, "error": "Not Found", "message": "模型不存在", "path": "/v1/chat/completions"},
        {"detail": "Not Found", "msg": "模型gpt-9不存在"},
        {"error": "Not Found", "message": "gpt-9"},
        {"error": "Not Found", "model": "gpt-9"},
        {"error": {"message": "Not Found", "resource": "gpt-9", "type": "not_found"}},
        {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "gpt-9"},
        "could not find real modelID for gpt-9",
        "No matching route found. The model of your request may not be configured in the gateway.",
    ],
)
def test_an_answer_that_may_be_about_the_model_does_not_blame_the_url(body: object) -> None:
    """A project with a wrong model must not hold the upstream for all others."""
    said = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    asked = OwnWords({"model": "gpt-9", "messages": [{"role": "user", "content": "Write about cats."}]})
    error = error_of_status(404, said, retry_after_seconds=None, location=None, own=asked)
    assert (type(error), error.retryable) == (Rejected, False)


@pytest.mark.parametrize(
    ("words", "kind"),
    [("429 Too Many Requests", "rate_limit_exceeded"), ("400 Bad Request", "context_length_exceeded")],
)
def test_a_gateway_that_names_its_own_request_in_a_200_says_what_became_of_that(words: str, kind: str) -> None:
    parsed = {"error": {"message": f'POST "https://x/v1/chat/completions": {words}', "code": kind}}
    error = error_of_body("application/json", json.dumps(parsed).encode(), parsed)
    assert type(error) in (RateLimited, RejectedInStream)


def test_a_prompt_that_names_the_path_does_not_blame_the_url_when_it_is_quoted() -> None:
    asked = {"messages": [{"role": "user", "content": "Explain POST /v1/chat/completions and unknown_url."}]}
    said = b'{"error":{"message":"Refused: Explain POST /v1/chat/completions and","code":"unknown_url"}}'
    for status in (404, 405):
        error = error_of_status(status, said, retry_after_seconds=None, location=None, own=OwnWords(asked))
        assert type(error) is Rejected
