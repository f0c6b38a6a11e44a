"""A stack whose upstreams are simulated providers, each changeable while it runs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from benchmarks.stack import Stack, read_line
from jobs.tables import attempts, jobs

ENDED = ("completed", "failed", "expired", "cancelled")


class Provider:
    """One simulated provider."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._server = url.removesuffix("/v1")

    def stats(self) -> dict[str, Any]:
        """What it has done since `reset`."""
        stats: dict[str, Any] = httpx.get(f"{self._server}/stats", trust_env=False, timeout=60).json()
        return stats

    def reset(self) -> None:
        """Begin to count now."""
        self._post("/stats/reset", {})

    def change_limits(self, **changes: Any) -> None:
        self._post("/limits", changes)

    def top_up(self, completions: int) -> None:
        self._post("/credit", {"completions": completions})

    def refuse_key(self) -> None:
        self._post("/key", {"refused": True})

    def go_away(self, seconds: float) -> None:
        """Close the port and cut what is running, for so many seconds."""
        self._post("/outage", {"seconds": seconds})

    def _post(self, path: str, content: Mapping[str, Any]) -> None:
        httpx.post(f"{self._server}{path}", json=content, trust_env=False, timeout=60).raise_for_status()


class PaceStack(Stack):
    """It starts with healthy providers: what is to go wrong is switched on after the processes are warm."""

    def __init__(
        self,
        streams: int,
        *,
        workers: int,
        providers: Sequence[Mapping[str, Any]] = ({},),
        project_weights: Mapping[str, float] | None = None,
    ) -> None:
        self._named = list(providers)
        self._project_weights = project_weights or {}
        super().__init__(streams, workers=workers)

    def start_upstream(self) -> None:
        file = self.directory / "providers.toml"
        file.write_text("\n".join(f"[[upstream]]\n{_toml(fields)}" for fields in self._named))
        command = [sys.executable, "-m", "longhand", "simulate", "--file", str(file)]
        self.upstream = self.start(command, stdout=subprocess.PIPE, text=True)
        # The lines come together, so only for the first one is there anything to wait for.
        lines = [read_line(self.upstream), *(self.upstream.stdout.readline() for _ in self._named[1:])]
        self.providers = [Provider(line.strip().split("=", 1)[1]) for line in lines]
        self.upstream_url = self.providers[0].url
        if len(self.providers) > 1 or self._project_weights:
            # The stack sets the URL of a single upstream, which the file would make void.
            self.environ |= {"LONGHAND_UPSTREAM_URL": "", "LONGHAND_UPSTREAM_API_KEY": ""}
            self.environ["LONGHAND_UPSTREAMS"] = str(self._write_upstreams())

    def _write_upstreams(self) -> Path:
        path = self.directory / "upstreams.toml"
        parts = [
            f"[[upstream]]\n{_toml({'name': f'provider-{number}', 'url': provider.url})}"
            for number, provider in enumerate(self.providers, 1)
        ]
        parts += [
            f"[[project]]\n{_toml({'name': name, 'weight': weight})}" for name, weight in self._project_weights.items()
        ]
        path.write_text("\n".join(parts))
        return path

    def counts(self, *batch_ids: str) -> dict[str, int]:
        """How many jobs of the batches have each status, and `charged`: the failures that count against them."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(jobs.c.status, func.count(), func.sum(jobs.c.failures))
                .where(jobs.c.batch_id.in_(batch_ids))
                .group_by(jobs.c.status)
            ).all()
        counts = {status: count for status, count, _ in rows}
        return {**counts, "charged": sum(int(charged) for _, _, charged in rows)}

    def outcomes(self, batch_id: str) -> dict[str, int]:
        """How many attempts of a batch ended in each way."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(attempts.c.outcome, func.count())
                .where(attempts.c.batch_id == batch_id)
                .group_by(attempts.c.outcome)
            ).all()
        return {str(outcome): count for outcome, count in rows}

    def has_ended(self, batch_id: str) -> bool:
        """Whether no job of a batch can change any more."""
        counts = self.counts(batch_id)
        return not set(counts) - {*ENDED, "charged"}

    def wait_ended_or(self, seconds: float, *batch_ids: str) -> float:
        """Wait until the batches have ended, but no longer than so many seconds; how many it took."""
        began = time.monotonic()
        waits_for(lambda: all(map(self.has_ended, batch_ids)), seconds)
        return time.monotonic() - began


def request(model: str, tokens: int) -> dict[str, Any]:
    """The request of a job of so many tokens."""
    return {"model": model, "messages": [{"role": "user", "content": "Write."}], "max_tokens": tokens}


def waits_for(holds: Callable[[], bool], seconds: float, pause_seconds: float = 0.25) -> bool:
    """Wait until `holds`, but no longer than so many seconds; whether it does."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(pause_seconds)
    return held


def _toml(fields: Mapping[str, Any]) -> str:
    # What these files hold is written alike in TOML and in JSON, but for tables, which none of them has.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
