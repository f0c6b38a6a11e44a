"""What watches read from the database, in threads of their own that the projects share out."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from api.access.turns import Turns
from jobs.store.database import Database

P = ParamSpec("P")
R = TypeVar("R")

WATCH_READS_AT_ONCE = 8
"""Thousands of watchers may read long texts at the same time; submissions and other reads have threads of their own."""


class WatchReads:
    """Reads for the project of the request that watches."""

    def __init__(self, database: Database, most: int = WATCH_READS_AT_ONCE) -> None:
        self._database = database
        self.turns = Turns(most)

    async def run(self, read: Callable[Concatenate[Database, P], R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call it with the database, when the project's turn has come."""
        return await self.turns.run(read, self._database, *arguments, **keywords)
