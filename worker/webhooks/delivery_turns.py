"""Which of what is due is tried next: the projects have turns, however much of it is one project's."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from jobs.model.fair_turns import Turns
from jobs.store.database import Database
from jobs.webhooks.deliveries import Delivery
from jobs.webhooks.due import DueEndpoint, DueEndpoints, first_due

AT_ONCE, PER_PROJECT, PER_ENDPOINT = 256, 16, 4
"""How many tries one process makes at once: in all, for one project, for one endpoint (one while it fails)."""


class DeliveryTurns:
    """Remembers which project had its turn, and how far the looks have come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._endpoints = DueEndpoints(database)
        self._turns = Turns()

    @property
    def has_more(self) -> bool:
        """Whether there are endpoints that the last look did not come to."""
        return self._endpoints.has_more

    def choose(self, sending: Collection[Delivery], delivered: Collection[Delivery] = ()) -> list[tuple[str, str]]:
        """The webhook and the event of each try that may begin beside these that are being sent. Those that are
        delivered, and only to be stored, leave others of their endpoint room: on a busy database that takes a while.
        """
        room = AT_ONCE - len(sending) - len(delivered)
        if room <= 0:
            return []
        # Some of these may look due: they could not be renewed.
        mine = {(one.webhook_id, one.event_id) for one in (*sending, *delivered)}
        of_endpoint = Counter(webhook_id for webhook_id, _ in mine)
        endpoints = {endpoint.id: endpoint for endpoint in self._endpoints.look()}
        wanted = self._share(room, endpoints.values(), sending)
        found = first_due(self._database, {name: count + of_endpoint[name] for name, count in wanted.items()})
        chosen: list[tuple[str, str]] = []
        for name, count in wanted.items():
            events = islice((event for event in found[name] if (name, event) not in mine), count)
            chosen += [(name, event) for event in events]
        self._note_served(Counter(endpoints[name].project for name, _ in chosen))
        return chosen

    def _note_served(self, served: Counter[str]) -> None:
        """So many turns of each project, in the order in which they were given: a turn begins where those before do."""
        while served:
            for project in self._turns.in_order(served):
                self._turns.take(project, 1.0)
            served -= Counter(served.keys())

    def _share(self, room: int, endpoints: Iterable[DueEndpoint], sending: Collection[Delivery]) -> Counter[str]:
        """How many tries each endpoint may begin: one of each project in turn, as long as there is room."""
        of_endpoint = Counter(one.webhook_id for one in sending)
        of_project = Counter(one.project for one in sending)
        by_project: dict[str, list[DueEndpoint]] = {}
        for endpoint in endpoints:
            by_project.setdefault(endpoint.project, []).append(endpoint)
        lines = {
            project: islice(_in_turn(own, of_endpoint), max(0, PER_PROJECT - of_project[project]))
            for project, own in by_project.items()
        }
        order = self._turns.in_order(lines)
        self._turns.forget_others(lines)
        places = (name for _ in range(PER_PROJECT) for project in order for name in islice(lines[project], 1))
        return Counter(islice(places, room))


def _in_turn(endpoints: Iterable[DueEndpoint], of_endpoint: Counter[str]) -> Iterator[str]:
    """The endpoints of a project, each as often as it may begin a try, and all of them once before one twice."""
    for place in range(1, PER_ENDPOINT + 1):
        for endpoint in endpoints:
            if of_endpoint[endpoint.id] + place <= (1 if endpoint.fails else PER_ENDPOINT):
                yield endpoint.id
