"""The `Idempotency-Key` of a POST that submits work: a repeated POST creates nothing new."""

from typing import Annotated

from fastapi import Header

from api.http.errors import ApiError
from jobs.intake.idempotency import ERASED, IdempotencyKey
from jobs.intake.submission import Accepted

_KEY_HELP = (
    "Any text of up to 255 characters, new for each submission. A repeated POST with the same key and body gives what"
    " the first one made, with the header `idempotent-replayed: true`; with another body, or to another path, it is"
    " refused with 409, and with 410 if what it made was deleted. A key is remembered for a week"
    " (`LONGHAND_IDEMPOTENCY_SECONDS`)."
)
Key = Annotated[str | None, Header(alias="Idempotency-Key", description=_KEY_HELP)]


def check_key(key: str | None, path: str, body: bytes) -> IdempotencyKey | None:
    """The key that was sent with a POST to this path, if one was. Refuses what is none."""
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise ApiError(400, "invalid_value", "Idempotency-Key: must have 1 to 255 characters", param="Idempotency-Key")
    if key.startswith(ERASED):
        raise ApiError(400, "invalid_value", f"Idempotency-Key: must not begin with {ERASED}", param="Idempotency-Key")
    return IdempotencyKey.of(key, path, body)


def key_reused() -> ApiError:
    """The refusal of a key that came before with something else."""
    message = "Idempotency-Key: this key came before with another body or path; take a new key for a new submission"
    return ApiError(409, "idempotency_key_reused", message, param="Idempotency-Key")


def made_was_deleted(made: str) -> ApiError:
    """The refusal of a key whose submission was deleted since: sent again, it must not be paid for again."""
    return ApiError(410, "deleted", f"{made}, which this Idempotency-Key made, was deleted", param="Idempotency-Key")


def replayed(accepted: Accepted) -> dict[str, str]:
    """The header that says of an answer that its key had been used before."""
    return {"idempotent-replayed": "true"} if accepted.repeated else {}
