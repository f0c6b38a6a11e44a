"""The commands `longhand webhooks ...`: the endpoints that receive events."""

import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.client.client import Client
from longhand.client.objects import Json
from longhand.terminal import tables
from longhand.terminal.cells import one_line
from longhand.terminal.explanations import status_word
from longhand.terminal.output import print_answer, print_json, print_line
from longhand.words.catalogue import t

_PATIENCE_SECONDS = 20.0
"""How long `test` waits for the outcome: a try takes at most 15 s."""

WebhookId = Annotated[str, typer.Argument(metavar="ID")]


def make_webhooks_app() -> typer.Typer:
    """The commands under `longhand webhooks`."""
    webhooks = typer.Typer(no_args_is_help=True)
    webhooks.command("list")(list_all)
    webhooks.command("test")(send_test)
    for command in (add, replay, rotate, pause, resume, remove):
        webhooks.command(command.__name__)(command)
    return webhooks


def add(
    url: Annotated[str, typer.Argument()],
    event: Annotated[list[str] | None, typer.Option(metavar="TYPE")] = None,
    name: str = "",
    as_json: AsJson = False,
) -> None:
    """Make an endpoint. Its secret is printed once, alone on stdout: SECRET=$(longhand webhooks add https://...)."""
    with open_client() as client:
        made = client.webhooks.create(url, events=event, name=name or None)
    _print_secret(made, t("webhooks.added", id=made["id"], events=", ".join(made["events"])), as_json=as_json)


def list_all(as_json: AsJson = False) -> None:
    """List the endpoints of the project, and whether they take what is sent."""
    with open_client() as client:
        listed = client.webhooks.list()["data"]
    if as_json:
        print_json(listed)
    elif listed:
        tables.table_console().print(_table(listed))
    else:
        print_line(t("webhooks.none"), err=True)


def send_test(webhook: WebhookId, as_json: AsJson = False) -> None:
    """Send an endpoint a `webhook.test`, and say what came of it. Exit code 1 if it was not taken."""
    with open_client() as client:
        outcome = _wait_for(client, webhook, client.webhooks.test(webhook))
    taken = outcome["status"] == "delivered"
    if as_json:
        print_json(outcome)
    elif taken:
        print_line(t("webhooks.taken", id=webhook, status=outcome["last_status"]))
    else:
        why = _why(outcome) if outcome["tries"] else t("webhooks.not_tried")
        print_line(t("webhooks.not_taken", id=webhook, why=why), err=True)
    if not taken:
        raise typer.Exit(1)


def replay(
    webhook: WebhookId,
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]")] = None,
    as_json: AsJson = False,
) -> None:
    """Send one event again, whatever became of it; without one, all that have failed for good."""
    with open_client() as client:
        done = client.webhooks.replay(webhook, event)
    print_answer(done, t("webhooks.replayed", id=webhook, number=done["replayed"]), as_json=as_json)


def rotate(
    webhook: WebhookId,
    old_seconds: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret, printed alone on stdout. Until its time the old one signs too: a receiver may have either."""
    with open_client() as client:
        made = client.webhooks.rotate_secret(webhook, old_secret_seconds=old_seconds)
    _print_secret(made, t("webhooks.rotated", id=webhook), as_json=as_json)


def pause(webhook: WebhookId, as_json: AsJson = False) -> None:
    """Send an endpoint nothing until `resume`; what happens meanwhile is sent then."""
    _change(webhook, "paused", "webhooks.paused", as_json=as_json)


def resume(webhook: WebhookId, as_json: AsJson = False) -> None:
    """Send to an endpoint again, also to one that Longhand has paused because it kept failing."""
    _change(webhook, "enabled", "webhooks.resumed", as_json=as_json)


def remove(webhook: WebhookId, as_json: AsJson = False) -> None:
    """Remove an endpoint. What is still to be sent to it is not sent."""
    with open_client() as client:
        removed = client.webhooks.delete(webhook)
    print_answer(removed, t("webhooks.removed", id=webhook), as_json=as_json)


def _print_secret(made: Json, line: str, *, as_json: bool) -> None:
    print_answer(made, made["secret"], as_json=as_json)
    if not as_json:
        print_line(line, err=True)


def _change(webhook: str, status: str, done: str, *, as_json: bool) -> None:
    with open_client() as client:
        changed = client.webhooks.change(webhook, status=status)
    print_answer(changed, t(done, id=webhook), as_json=as_json)


def _wait_for(client: Client, webhook: str, sent: Any) -> Any:
    """The delivery once it was tried; or as it stands when nobody has tried it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _is_tried(sent) and time.monotonic() < deadline:
        time.sleep(0.2)
        listed = client.webhooks.deliveries(webhook, limit=100)["data"]
        sent = next((delivery for delivery in listed if delivery["event_id"] == sent["event_id"]), sent)
    return sent


def _is_tried(delivery: Any) -> bool:
    return bool(delivery["last_status"] or delivery["last_error"] or delivery["status"] != "pending")


def _why(delivery: Any) -> str:
    return delivery["last_error"] or f"HTTP {delivery['last_status']}"


def _table(listed: list[Any]) -> Table:
    table = tables.plain_table("id", "status", "url", "events", "because", fold=("url", "events", "because"))
    for webhook in listed:
        failures, is_on = webhook["failures"], webhook["status"] == "enabled"
        because = webhook["pause_reason"] or (t("webhooks.failures", number=failures) if failures else "")
        status = Text(status_word(webhook["status"]), style="green" if is_on else "red")
        events = Text(" ".join(webhook["events"]))
        table.add_row(webhook["id"], status, Text(one_line(webhook["url"])), events, Text(because))
    return table
