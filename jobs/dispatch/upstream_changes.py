"""What an operator has changed of an upstream may have mended it: one that is held is probed at once."""

from jobs.dispatch.upstream_holds import probe_now
from jobs.store.database import Database
from jobs.upstreams import Upstreams


class UpstreamChanges:
    """Used by the rounds of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Upstreams | None = None

    def note(self, upstreams: Upstreams) -> Upstreams:
        """These are in force now."""
        if self._known is not None and upstreams is not self._known:
            for spec in upstreams.specs:
                if self._known.find(spec.name) not in (None, spec):
                    probe_now(self._database, spec.name)
        self._known = upstreams
        return upstreams
