"""The rest of an assistant's message: what a job stores beside its text and its reasoning.

It is one JSON object, its fields as the upstream would have returned them unstreamed:

    tool_calls, function_call    what the model called, at most 1 MiB together; only of an answer that was whole
    refusal, annotations         at most 64 kB together, with what else upstreams send, such as `citations`
    logprobs                     those of the choice, at most 4 MiB; else `logprobs_dropped` says that there were more
    system_fingerprint           the upstream's
    changed_parameters           of the request: by its name there the other one that was sent, null for none

`finish_reason` is here only if the upstream said it in other words than OpenAI's, which are in the job's column. The
text, the reasoning, the usage and the upstream's id and model have columns of their own.
"""

from collections.abc import Mapping
from typing import Any


def has_calls(message: Mapping[str, Any] | None) -> bool:
    """Whether the model called a tool."""
    return bool(message and (message.get("tool_calls") or message.get("function_call")))


def calls_of(message: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The name and the arguments of each call."""
    message = message or {}
    called = [call.get(call.get("type") or "function") for call in message.get("tool_calls") or ()]
    called.append(message.get("function_call"))
    found = [each for each in called if isinstance(each, Mapping)]
    return [(each.get("name", ""), each.get("arguments", each.get("input", ""))) for each in found]


def calls_as_text(message: Mapping[str, Any] | None) -> str:
    """All calls, a line for each: for people, and for a count of tokens."""
    return "\n".join(f"{name}({arguments})" for name, arguments in calls_of(message))
