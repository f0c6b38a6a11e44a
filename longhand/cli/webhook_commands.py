"""The commands `longhand webhooks ...`: the endpoints that are told of what has ended."""

import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from longhand.cli.command_client import open_client
from longhand.client.client import Client
from longhand.terminal import tables
from longhand.terminal.cells import one_line
from longhand.terminal.output import print_line

_PATIENCE_SECONDS = 20.0
"""How long `test` waits for the outcome: a try takes at most 15 s."""

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="As `longhand webhooks list` shows it.")]


def make_webhooks_app() -> typer.Typer:
    """The commands under `longhand webhooks`."""
    webhooks = typer.Typer(help="Be told by HTTP when batches and Responses end.", no_args_is_help=True)
    webhooks.command("add")(add)
    webhooks.command("list")(list_all)
    webhooks.command("test")(test)
    webhooks.command("replay")(replay)
    webhooks.command("rotate")(rotate)
    webhooks.command("pause")(pause)
    webhooks.command("resume")(resume)
    webhooks.command("remove")(remove)
    return webhooks


def add(
    url: Annotated[str, typer.Argument(help="Where the events are sent.")],
    event: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="What it hears of, such as batch.completed; repeat it.")
    ] = None,
    name: Annotated[str, typer.Option(help="A note for you.")] = "",
) -> None:
    """Make an endpoint. Its secret is printed once, alone on stdout: SECRET=$(longhand webhooks add https://...).

    Without --event it hears of the ends of batches, and of Responses in the background.
    """
    with open_client() as client:
        made = client.webhooks.create(url, events=event, name=name or None)
    print_line(made["secret"])
    print_line(f"{made['id']} hears of {', '.join(made['events'])}; its secret is not shown again", err=True)


def list_all() -> None:
    """List the endpoints of the project, and whether they take what is sent."""
    with open_client() as client:
        listed = client.webhooks.list()["data"]
    if listed:
        tables.table_console().print(_table(listed))
    else:
        print_line("no webhooks yet: longhand webhooks add https://...", err=True)


def test(webhook: WebhookId) -> None:
    """Send an endpoint a `webhook.test`, and say what came of it. Exit code 1 if it was not taken."""
    with open_client() as client:
        sent = client.webhooks.test(webhook)
        outcome = _wait_for(client, webhook, sent["event_id"])
    if outcome["status"] == "delivered":
        print_line(f"{webhook}: taken, HTTP {outcome['last_status']}")
        return
    why = _why(outcome) if outcome["tries"] else "no worker has sent it yet: is one running?"
    print_line(f"{webhook}: not taken: {why}", err=True)
    raise typer.Exit(1)


def replay(
    webhook: WebhookId,
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]", help="The id of an event, evt_...")] = None,
) -> None:
    """Send one event again, whatever became of it; without one, all that have failed for good."""
    with open_client() as client:
        done = client.webhooks.replay(webhook, event)
    print_line(f"{webhook}: {done['replayed']} sent again")


def rotate(
    webhook: WebhookId,
    old_seconds: Annotated[
        int | None, typer.Option(help="How long the old secret signs as well; a day unless you say otherwise.")
    ] = None,
) -> None:
    """Make a new secret, printed alone on stdout. Until its time the old one signs too: a receiver may have either."""
    with open_client() as client:
        made = client.webhooks.rotate_secret(webhook, old_secret_seconds=old_seconds)
    print_line(made["secret"])
    print_line(f"{webhook}: this secret is not shown again", err=True)


def pause(webhook: WebhookId) -> None:
    """Send an endpoint nothing until `resume`; what happens meanwhile is sent then."""
    with open_client() as client:
        client.webhooks.change(webhook, status="paused")
    print_line(f"{webhook}: paused; start it again with: longhand webhooks resume {webhook}")


def resume(webhook: WebhookId) -> None:
    """Send to an endpoint again, also to one that Longhand has paused because it kept failing."""
    with open_client() as client:
        client.webhooks.change(webhook, status="enabled")
    print_line(f"{webhook}: enabled; what has waited for it is sent now")


def remove(webhook: WebhookId) -> None:
    """Remove an endpoint. What is still to be sent to it is not sent."""
    with open_client() as client:
        client.webhooks.delete(webhook)
    print_line(f"{webhook}: removed")


def _wait_for(client: Client, webhook: str, event_id: str) -> Any:
    """The delivery of an event once it was tried; or as it stands when nobody has tried it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        listed = client.webhooks.deliveries(webhook, limit=100)["data"]
        found = next((one for one in listed if one["event_id"] == event_id), None)
        if found is None or _is_tried(found) or time.monotonic() > deadline:
            return found or {"status": "pending", "tries": 0}
        time.sleep(0.2)


def _is_tried(delivery: Any) -> bool:
    return bool(delivery["last_status"] or delivery["last_error"] or delivery["status"] != "pending")


def _why(delivery: Any) -> str:
    return delivery["last_error"] or f"HTTP {delivery['last_status']}"


def _table(listed: list[Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("id", "status"):
        table.add_column(name, no_wrap=True)
    for name in ("url", "events", "because"):
        table.add_column(name, overflow="fold")
    for one in listed:
        because = one["pause_reason"] or (f"{one['failures']} tries failed" if one["failures"] else "")
        status = Text(one["status"], style="green" if one["status"] == "enabled" else "red")
        table.add_row(one["id"], status, Text(one_line(one["url"])), Text(" ".join(one["events"])), Text(because))
    return table
