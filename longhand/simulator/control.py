"""What may be changed while a simulator runs, by a POST to `/limits`, `/credit`, `/key` or `/outage`.

Each takes a JSON object and answers with what is in force now. Nothing is asked for a key: it is a tool.
"""

import json
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from longhand.simulator.gate import Gate
from longhand.simulator.orders import RequestError
from longhand.simulator.provider import Amount, Limits, Positive, ProviderError, changed, make
from longhand.simulator.slots import Slots


class CreditChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /credit`: so many completions more are paid for."""

    completions: Positive


class KeyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /key`: whether every key is refused from now on."""

    refused: bool


class OutageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /outage`: go away now, for so many seconds; with `status` every request is answered with that."""

    seconds: Amount
    status: Literal[500, 502, 503, 504, 529] | None = None


class Control:
    """Changes what is in force. `begin_outage` is called after the answer is on its way."""

    def __init__(self, gate: Gate, slots: Slots, begin_outage: Callable[[OutageOrder], None]) -> None:
        self._gate = gate
        self._slots = slots
        self._begin_outage = begin_outage

    def change_limits(self, limits: Limits) -> None:
        self._gate.change_limits(limits)
        self._slots.limit = limits.slots
        self._slots.refill()

    def post(self, path: str, body: bytes) -> Any:
        """Carry out a POST and return its answer. Raises a `RequestError` that says what is wrong."""
        try:
            fields = json.loads(body or b"{}")
        except ValueError as error:
            raise RequestError(f"The request body is not valid JSON: {error}") from error
        if not isinstance(fields, dict):
            raise RequestError("The request body must be a JSON object.")
        try:
            return self._post(path, fields)
        except ProviderError as error:
            raise RequestError(str(error)) from error

    def _post(self, path: str, fields: dict[str, Any]) -> Any:
        match path:
            case "/limits":
                self.change_limits(changed(self._gate.limits, fields))
                return {name: getattr(self._gate.limits, name) for name in Limits.__struct_fields__}
            case "/credit":
                self._gate.top_up(make(CreditChange, fields).completions)
                return {"completions": self._gate.credit}
            case "/key":
                self._gate.key_refused = make(KeyChange, fields).refused
                return {"refused": self._gate.key_refused}
            case "/outage":
                order = make(OutageOrder, fields)
                self._begin_outage(order)
                return {"seconds": order.seconds, "status": order.status}
            case _:
                raise RequestError(f"Unknown request URL: POST {path}.", status=404, code="unknown_url")


PATHS = ("/limits", "/credit", "/key", "/outage")
