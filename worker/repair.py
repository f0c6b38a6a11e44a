"""Asks for a repair: builds the request that shows the model its rejected text, and says what was wrong with it."""

from collections.abc import Mapping
from typing import Any

from jobs.acceptance.rejections import tell_rejection
from jobs.lifecycle.lease import Claimed

_ASK = """\
Your text was not accepted, for these reasons:

{reasons}

Write the whole text again so that it meets every one of these requirements, and change nothing else. Keep to all \
that was asked for at first. Reply with the text alone: no introduction, and no word about the changes."""


def request_of(claimed: Claimed) -> Mapping[str, Any]:
    """The chat-completions body that this attempt begins with: as it was submitted, or the request for a repair.

    It is made of stored rows alone, so that an attempt after a crash asks for the same.
    """
    request = claimed.job.request or {}
    if claimed.rejected is None:
        return request
    reasons = "\n".join(f"- {tell_rejection(rejection)}" for rejection in claimed.rejected.rejections)
    asked = [
        {"role": "assistant", "content": claimed.rejected.text},
        {"role": "user", "content": _ASK.format(reasons=reasons)},
    ]
    return {**request, "messages": [*request.get("messages", []), *asked]}
