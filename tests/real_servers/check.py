"""One batch on one server: submits it to a Longhand of its own and compares every stored text with what was sent."""

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from longhand.client.client import Client
from longhand.client.events import Done
from longhand.client.objects import Job, why
from tests.real_servers.recording_proxy import Conversation, RecordingProxy
from tests.real_servers.servers import Running
from tests.real_servers.wire import WireAnswer, read_answer
from tests.stack.running_up import environ_of, running_up


@dataclass(slots=True)
class Verdict:
    """What came of a batch. It has passed when all jobs are completed and nothing is wrong with any text."""

    jobs: int
    statuses: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Of all attempts."""
    asked: int = 0
    """Requests that reached the server."""
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def has_passed(self) -> bool:
        return self.statuses == {"completed": self.jobs} and not self.wrong

    def lines(self) -> list[str]:
        """For people."""
        summary = (
            f"{'passed' if self.has_passed else 'FAILED'}: {_listed(self.statuses)} of {self.jobs} jobs"
            f" in {self.seconds:.1f} s, {self.asked} requests; attempts: {_listed(self.outcomes)};"
            f" finish reasons: {_listed(self.finish_reasons)}"
        )
        return [summary, *(f"  {line}" for line in self.wrong)]


def check(
    server: AbstractContextManager[Running],
    home: Path,
    *,
    jobs: int,
    max_tokens: int,
    restart: bool = False,
    keep: Path | None = None,
) -> Verdict:
    """Run a batch of `jobs` on a server, with no setting but the upstream's address.

    `restart`: kill the server and start it again once the first job has ended. `keep`: where the bytes go.
    """
    with server as running, RecordingProxy(running.port) as proxy:
        environ = environ_of(home, {"LONGHAND_UPSTREAM_URL": f"http://127.0.0.1:{proxy.port}/v1"})
        with running_up(environ, "--port", "0") as up, Client(up.url) as client:
            prompts = [f"Write about tea, number {number}." for number in range(jobs)]
            batch = client.submit(prompts, model=running.model, max_tokens=max_tokens)
            has_restarted = not restart
            for event in client.watch(batch["id"], texts="none"):
                if isinstance(event, Done) and not has_restarted:
                    with proxy.away():
                        running.restart()
                    has_restarted = True
            verdict = _compare(client, batch["id"], jobs, proxy.conversations)
            up.end()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for number, conversation in enumerate(proxy.conversations):
            (keep / f"{number:03}.sent").write_bytes(conversation.sent)
            (keep / f"{number:03}.received").write_bytes(conversation.received)
    return verdict


def _compare(client: Client, batch_id: str, jobs: int, conversations: list[Conversation]) -> Verdict:
    verdict = Verdict(jobs)
    answers: dict[str, WireAnswer | None] = {}
    for conversation in conversations:
        if conversation.path.endswith("/chat/completions"):
            verdict.asked += 1
            answers[conversation.headers["idempotency-key"]] = read_answer(bytes(conversation.received))
    begun, ended = [], []
    for result in client.results(batch_id):
        job = client.job(result["id"])
        verdict.statuses[job["status"]] += 1
        verdict.outcomes.update(str(attempt["outcome"]) for attempt in job["attempts"])
        begun.append(job["created_at"])
        ended.append(job["finished_at"] or job["created_at"])
        name = f"job {job['index'] if 'index' in job else result['index']} (attempt {job['attempt']})"
        if job["status"] != "completed":
            verdict.wrong.append(f"{name} is {job['status']}: {why(job)}")
            continue
        verdict.finish_reasons[str(job["finish_reason"])] += 1
        answer = answers.get(f"{job['id']}-{job['attempt']}")
        verdict.wrong += [f"{name}: {fault}" for fault in _faults(job, result.get("text", ""), answer)]
    verdict.seconds = max(ended) - min(begun)
    return verdict


def _faults(job: Job, text: str, answer: WireAnswer | None) -> list[str]:
    """What is wrong with a completed job, by what the server sent in answer to its last attempt."""
    if answer is None:
        return ["the server sent it no answer"]
    faults = []
    sent = answer.text.replace("\0", "\ufffd")  # no database stores a NUL
    if text != sent:
        faults.append(f"stored {text[-60:]!r}, sent {sent[-60:]!r} ({len(text)} and {len(sent)} long)")
    if not answer.is_whole:
        faults.append(f"completed, but the server broke off after {len(answer.text)} characters")
    elif job["finish_reason"] != answer.finish_reasons[-1]:
        faults.append(f"finish_reason {job['finish_reason']!r}, sent {answer.finish_reasons[-1]!r}")
    return faults


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
