"""Triggers in PostgreSQL that look at every commit: what no look from outside could see between two of them.

They belong to the test, not to the product, and note what must not be in a table of their own:

- `above the window`: after a commit that reserved jobs, more were in flight in their lane (running, or reserved with a
  hint that may come) than its window and its `max_streams` allow;
- `reserved twice`: a reservation was given to another while it was good;
- `claimed without a reservation`;
- `charged while held`: a failure was charged to a job while its upstream was held by the system.
"""

import json
from dataclasses import dataclass

from sqlalchemy import text

from jobs.store.database import Database

_TRIGGERS = """
CREATE TABLE audit (what text NOT NULL, job text NOT NULL, in_flight integer, lane_window integer);

CREATE FUNCTION audit_lane() RETURNS trigger AS $$
DECLARE many integer; size integer;
BEGIN
    -- Held until this commit is done, so that the next one counts what it has done.
    PERFORM pg_advisory_xact_lock(4711);
    SELECT count(*) INTO many FROM jobs WHERE upstream = NEW.upstream AND model = NEW.model
        AND (status = 'in_progress' OR (status = 'queued' AND hinted_at IS NOT NULL));
    SELECT floor((pace::json -> 'window' ->> 'size')::numeric) INTO size FROM lanes
        WHERE upstream = NEW.upstream AND model = NEW.model;
    INSERT INTO audit SELECT 'reserved', NEW.id, many, size;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION audit_job() RETURNS trigger AS $$
BEGIN
    INSERT INTO audit SELECT TG_ARGV[0], NEW.id;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE FUNCTION audit_charge() RETURNS trigger AS $$
BEGIN
    INSERT INTO audit SELECT 'charged while held', NEW.id
        WHERE EXISTS (SELECT FROM holds WHERE kind = 'upstream' AND target = OLD.upstream AND held_by = 'system');
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE CONSTRAINT TRIGGER audit_lane AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.upstream IS NULL AND NEW.upstream IS NOT NULL) EXECUTE FUNCTION audit_lane();
CREATE TRIGGER audit_twice AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status = 'queued' AND NEW.status = 'queued' AND OLD.hinted_at IS NOT NULL AND NEW.hinted_at IS NOT NULL)
    EXECUTE FUNCTION audit_job('reserved twice');
CREATE TRIGGER audit_claim AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status = 'queued' AND NEW.status = 'in_progress' AND (OLD.upstream IS NULL OR OLD.hinted_at IS NULL))
    EXECUTE FUNCTION audit_job('claimed without a reservation');
CREATE TRIGGER audit_charge AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.status = 'in_progress' AND NEW.failures > OLD.failures) EXECUTE FUNCTION audit_charge();
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """What the triggers have seen."""

    reservations: int
    most_in_flight: int
    wrongs: list[str]


def begin_audit(database: Database) -> None:
    """Look at every commit from now on."""
    with database.write() as connection:
        connection.execute(text(_TRIGGERS))


def read_audit(database: Database, max_streams: int | None = None) -> Audited:
    """What was seen so far, by these `max_streams`."""
    with database.read() as connection:
        rows = connection.execute(text("SELECT what, job, in_flight, lane_window FROM audit")).all()
    reserved = [row for row in rows if row.what == "reserved"]
    wrongs = [f"{row.job}: {row.what}" for row in rows if row.what != "reserved"]
    for row in reserved:
        most = row.lane_window if max_streams is None else min(max_streams, row.lane_window)
        if row.in_flight > most:
            wrongs.append(f"{row.job}: {row.in_flight} in flight, above the window of {most}")
    return Audited(len(reserved), max((row.in_flight for row in reserved), default=0), wrongs)


def declare_upstream(url: str, **fields: object) -> str:
    """An upstreams file with this one, named `provider`."""
    lines = {"name": "provider", "url": url, **fields}
    return "\n".join(["[[upstream]]", *(f"{name} = {json.dumps(value)}" for name, value in lines.items()), ""])
