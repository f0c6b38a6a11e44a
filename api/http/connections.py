"""Room for connections: a process has so many descriptors, and nobody may take them all."""

import resource
from collections import Counter
from typing import Protocol

from api.http.errors import ApiError

CONNECTION = "longhand.connection"
"""The key in the scope under which a request finds the `Connection` that it came by."""

MOST_OPEN = 65_536
"""Where the system allows more: a connection takes about 10 kB."""

MOST_WAITING = 4_096
"""Strangers, and as many again that rest between two requests; where there are few descriptors, a quarter of them."""

MOST_ACCEPTED = 8_192
"""Connections that nobody has read from yet; where there are few descriptors, an eighth of them."""

_OTHER_FILES = 256
"""Descriptors that are left to the database, Redis and files; where there are few, a quarter of them."""
_RETRY_SECONDS = 2


class Closable(Protocol):
    """A connection as it is kept here."""

    def give_up(self) -> None:
        """Close it at once."""


class Connections:
    """The connections of one API process.

    A connection is a stranger until a request on it has shown a good key, and rests when that request is answered. If
    there are too many strangers, the one that has done nothing for longest is closed: somebody may open a thousand a
    second and send nothing. Of those that rest likewise.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_waiting = min(MOST_WAITING, most // 4)
        self._strangers: dict[Closable, None] = {}
        self._resting: dict[Closable, None] = {}
        self._projects: dict[Closable, str] = {}
        self._of_project: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._resting) + len(self._projects)

    def add(self, connection: Closable) -> None:
        """It has come, and nothing is known of it."""
        self._strangers[connection] = None
        self._close_oldest(self._strangers)

    def keep(self, connection: Closable, project: str) -> None:
        """Its request is of this project. Raises `ApiError` (503) where the project has as many as are still free."""
        self.rest(connection)
        if self._of_project[project] >= self._most - len(self):
            message = (
                "this server has as many connections of your project as it may have at once: close those that you do"
                " not need, and send this again shortly"
            )
            raise ApiError(503, "too_many_connections", message, headers={"Retry-After": str(_RETRY_SECONDS)})
        self.remove(connection)
        self._projects[connection] = project
        self._of_project[project] += 1

    def rest(self, connection: Closable) -> None:
        """Its request is answered."""
        waiting = self._strangers if connection in self._strangers else self._resting
        self.remove(connection)
        waiting[connection] = None  # at the end: it was of use just now
        self._close_oldest(waiting)

    def remove(self, connection: Closable) -> None:
        """It is closed."""
        project = self._projects.pop(connection, None)
        if project is not None:
            self._of_project[project] -= 1
            if not self._of_project[project]:
                del self._of_project[project]
        self._strangers.pop(connection, None)
        self._resting.pop(connection, None)

    def _close_oldest(self, waiting: dict[Closable, None]) -> None:
        if len(waiting) > self._most_waiting:
            oldest = next(iter(waiting))
            self.remove(oldest)
            oldest.give_up()


def connections_of_process() -> Connections:
    """As many as the descriptors of this process allow."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Connections(min(MOST_OPEN, limit - min(_OTHER_FILES, limit // 4) - waiting_of_process()))


def waiting_of_process() -> int:
    """How many connections may wait until they are begun, beside those."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_ACCEPTED, limit // 8)
