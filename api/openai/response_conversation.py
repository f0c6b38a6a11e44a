"""The messages that a Response is written after: those of the one that it continues, and those that it refers to."""

from collections.abc import Sequence

from api.access.turns import Turns
from api.finding import turns_of_responses
from api.http.errors import ApiError
from api.openai.response_calls import answer_message, call_message
from api.openai.response_object import response_status
from api.services import Services
from api.submitting.response_input import Message, Reference, resolve
from api.submitting.response_request import MAX_CONVERSATION_BYTES, ResponseRequest
from jobs.lifecycle.responses import StoredResponse, read_response
from jobs.model.status import JobStatus
from jobs.strict_json import dump_json


def conversation(services: Services, project: str, request: ResponseRequest) -> list[Message]:
    """All messages but the instructions. Raises `ApiError`."""
    reading = _Reading(services, project)
    before = reading.continue_from(request.previous)
    return [*before, *resolve(request.items, reading.find_item)]


async def turns_of_request(services: Services, request: ResponseRequest, body: bytes) -> Turns:
    """Where a request with this body is read, together with those that it continues or refers to."""
    before = [item.response_id for item in request.items if isinstance(item, Reference)]
    before += [request.previous] if request.previous else []
    is_large = await turns_of_responses(services, before) is services.large_reads
    return services.large_bodies if is_large else services.turns_of(body)


def own_messages(stored: StoredResponse) -> list[Message]:
    """The conversation that a stored Response was written after, without its instructions."""
    messages: list[Message] = stored.job.request["messages"] if stored.job.request else []
    return messages[1:] if stored.request.get("instructions") else messages


class _Reading:
    """Reads Responses of one project, each once, until the conversation is too long."""

    def __init__(self, services: Services, project: str) -> None:
        self._services = services
        self._project = project
        self._known: dict[str, StoredResponse | None] = {}
        self._length = 0

    def continue_from(self, previous: str | None) -> Sequence[Message]:
        """The messages of the previous Response and its answer."""
        if previous is None:
            return []
        param = "previous_response_id"
        stored = self._read(previous)
        if stored is None:
            message = f"{param}: no response has the id {previous[:80]!r}"
            raise ApiError(404, "previous_response_not_found", message, param=param)
        if stored.job.status is not JobStatus.COMPLETED or stored.job.request is None:
            message = f"{param}: {stored.id} is {response_status(stored.job)}; only a completed one can be continued"
            raise ApiError(400, "previous_response_not_completed", message, param=param)
        messages = [*own_messages(stored), answer_message(stored.job, stored.text)]
        self._count(messages, param)
        return messages

    def find_item(self, reference: Reference) -> Message | None:
        """The message that a reference means; None for a reasoning item, which chat completions do not take."""
        stored = self._read(reference.response_id)
        found = self._message(stored, reference) if stored is not None else None
        if stored is None or (found is None and not reference.is_reasoning):
            message = f"{reference.at}: no item that is stored here has the id {reference.id!r}: send the item itself"
            raise ApiError(404, "item_not_found", message, param=reference.at)
        if found is not None:
            self._count([found], reference.at)
        return found

    def _message(self, stored: StoredResponse, reference: Reference) -> Message | None:
        if reference.is_reasoning:
            return None
        if reference.call is not None:
            return call_message(stored.job, reference.call)
        if reference.place is None:
            return {"role": "assistant", "content": stored.text} if stored.text else None
        messages = own_messages(stored)
        return messages[reference.place] if reference.place < len(messages) else None

    def _read(self, named: str) -> StoredResponse | None:
        if named not in self._known:
            self._known[named] = read_response(self._services.database, named, project=self._project)
        return self._known[named]

    def _count(self, messages: Sequence[Message], param: str) -> None:
        self._length += len(dump_json(messages))
        if self._length > MAX_CONVERSATION_BYTES:
            message = (
                f"{param}: the conversation is {self._length} bytes long, and {MAX_CONVERSATION_BYTES} are allowed:"
                " begin a new one"
            )
            raise ApiError(413, "conversation_too_long", message, param=param)
