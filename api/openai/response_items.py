"""What stands around a Response: its input items, and how many tokens an input has."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from starlette.responses import Response

from api.callers.caller import Caller, CallerDep
from api.finding import find_response, turns_of_responses
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import Limit, v1_routes
from api.http.request_bodies import request_body
from api.openai.response_calls import input_items
from api.openai.response_conversation import conversation, own_messages, turns_of_request
from api.openai.schemas import INPUT_TOKENS_BODY, InputItemList, InputTokens
from api.services import Services, ServicesDep
from api.submitting.bodies import JobBody, read_fields, read_value
from api.submitting.fields import missing
from api.submitting.response_input import Message, input_item_id
from api.submitting.response_request import ResponseRequest, make_response_request

routes = v1_routes("openai")

_NOT_COUNTED = ("conversation", "personality")


@routes.get("/responses/{response_id}/input_items", responses={200: {"model": InputItemList}})
async def get_input_items(
    services: ServicesDep,
    caller: CallerDep,
    response_id: Annotated[str, Path(description="The id of a Response, `resp_...`.")],
    after: Annotated[str | None, Query(description="Begin after the item with this id.")] = None,
    limit: Limit = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="First or last item first.")] = "desc",
    include: Annotated[list[str] | None, Query(description="Taken and without an effect.")] = None,
    include_in_brackets: Annotated[list[str] | None, Query(alias="include[]", include_in_schema=False)] = None,
) -> Response:
    """The items that a Response was written after, those of the Responses before it among them."""
    turns = await turns_of_responses(services, [response_id])
    return await turns.run(_show_items, services, caller, response_id, after, limit, order)


def _show_items(
    services: Services, caller: Caller, response_id: str, after: str | None, limit: int, order: str
) -> Response:
    stored = find_response(services, caller.project, response_id)
    messages = enumerate(own_messages(stored))
    items = [item for place, message in messages for item in _input_items(stored.job.id, place, message)]
    if order == "desc":
        items.reverse()
    begin = 0
    if after is not None:
        begin = next((place + 1 for place, item in enumerate(items) if item["id"] == after), 0)
        if begin == 0:
            raise ApiError(400, "invalid_value", f"after: no input item has the id {after[:80]!r}", param="after")
    page = items[begin : begin + limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": "", "last_id": ""}
    return JsonAnswer({"object": "list", "data": page, **ends, "has_more": begin + limit < len(items)})


@routes.post(
    "/responses/input_tokens", responses={200: {"model": InputTokens}}, openapi_extra=request_body(INPUT_TOKENS_BODY)
)
async def post_input_tokens(services: ServicesDep, caller: CallerDep, body: JobBody) -> Response:
    """How many tokens the input of a Response has, counted here: exactly for OpenAI's models, else estimated.

    Images count nothing. Nothing is stored and no upstream is asked.
    """
    model, request, nothing = await services.turns_of(body).run(_read_request, body)
    turns = await turns_of_request(services, request, body)
    return JsonAnswer(await turns.run(_count, services, caller.project, model, request, nothing))


def _read_request(body: bytes) -> tuple[str, ResponseRequest, bool]:
    """The model, the request, and whether its input is empty."""
    raw = read_fields(body)
    fields = {name: read_value(raw[name], name) for name in raw if name not in _NOT_COUNTED}
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise missing("model", "the name of the model whose tokens are counted")
    nothing = not fields.get("input")
    return model, make_response_request({**fields, "input": "" if nothing else fields["input"]}), nothing


def _count(services: Services, project: str, model: str, request: ResponseRequest, nothing: bool) -> Mapping[str, Any]:
    messages = conversation(services, project, request)
    chat = request.chat_body(messages[:-1] if nothing else messages)["messages"]
    return {"object": "response.input_tokens", "input_tokens": services.tokenizers.count_messages(model, chat).tokens}


def _input_items(job_id: str, place: int, message: Message) -> list[dict[str, Any]]:
    """A chat message as input items: its content, and what it calls."""
    called = input_items(input_item_id(job_id, place), message)
    has_content = message["role"] != "tool" and (message.get("content") or not called)
    return [*([_input_item(job_id, place, message)] if has_content else []), *called]


def _input_item(job_id: str, place: int, message: Message) -> dict[str, Any]:
    """The content of a chat message as an input item."""
    role, content = message["role"], message.get("content")
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    shown = [_input_part(kind, part) for part in parts]
    return {
        "id": input_item_id(job_id, place),
        "type": "message",
        "role": role,
        "status": "completed",
        "content": shown,
    }


def _input_part(kind: str, part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
    return {"type": kind, "text": part["text"], **({"annotations": []} if kind == "output_text" else {})}
