"""Signs of life: each worker process says in Redis, every few seconds, that it lives and how busy it is.

They are for people who look at the whole, and nothing goes by them: leases alone say who has a job. A Redis that was
wiped knows the workers again after one heartbeat.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

WORKERS_KEY = "longhand:workers"
"""A hash: the name of each worker, and its last sign."""

FORGOTTEN_SECONDS = 120
"""After so long without a sign, a worker that ended without a word is not shown any more."""


class WorkerSign(msgspec.Struct):
    """What a worker says of itself. Times are Unix seconds by the clock of the database."""

    version: str
    streams: int
    running: int
    draining: bool
    started_at: float
    at: float
    every: float = 5.0
    """How many seconds lie between two signs. A version before did not say it."""

    @property
    def late_after(self) -> float:
        """So long after its last sign it has missed two: as soon as it may be said that it is lost."""
        return 2 * self.every + 1

    @property
    def forgotten_after(self) -> float:
        return FORGOTTEN_SECONDS + self.late_after


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(WorkerSign)


def encode_sign(sign: WorkerSign) -> bytes:
    return _encoder.encode(sign)


def decode_signs(found: Mapping[Any, Any], moment: float) -> dict[str, WorkerSign]:
    """The signs by name, but for those that are old; what another version wrote otherwise is left out."""
    signs = {}
    for name, said in found.items():
        try:
            sign = _decoder.decode(said)
        except msgspec.DecodeError:
            continue
        if moment - sign.at < sign.forgotten_after:
            signs[name.decode(errors="replace")] = sign
    return signs
