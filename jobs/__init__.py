"""Jobs: what a job is, where it is stored, how it travels. Both `api` and `worker` import this, and never each other.

The way of a job, with the file of each step:

1. Submit: `api/submitting/` checks it, `jobs/intake/submission.py` inserts the rows in one transaction. The row is the
   outbox. `jobs/inputs/` reads files, for the command, the API and the page alike.
2. Reserve: after the commit, `jobs/live/wake.py` wakes the workers' dispatch (`worker/dispatch.py`). It gives due jobs
   to an upstream, as many as the upstream's pace allows: `jobs/dispatch/lanes.py` shares out the free streams,
   `jobs/dispatch/reservation.py` takes one lane's turn, `jobs/dispatch/choice.py` and `jobs/dispatch/fair.py` say whose
   job is next, `jobs/pace/` how many may go. `jobs/dispatch/queue.py` then sends a hint for each. A lost wake or hint
   costs nothing.
3. Claim: `jobs/lifecycle/lease.py` gives one worker the next attempt of a reserved job and a lease, in one conditional
   UPDATE.
4. Stream: `worker/attempt.py` runs the attempt, `worker/upstream/` reads the completion.
5. Record: `worker/recorder.py` appends each delta to the tail and publishes it on the channel (`jobs/live/channel.py`).
   `worker/heartbeat.py` renews the leases and checkpoints the texts so far.
6. Finish: tokens are counted (`jobs/tokens.py`), a text that should be JSON is checked
   (`jobs/acceptance/format_check.py`), the text is stored behind the fence (`jobs/lifecycle/transitions.py`), and only
   after the commit `done` is published. A job that does not complete keeps the longest text of its attempts
   (`jobs/store/stored_texts.py`).
7. Watch: `api/watching/job_watch.py` follows the channel and closes every gap from the tail or the row.
8. Query: `jobs/store/queries.py` and `jobs/store/search.py` read rows, never Redis. Lists and searches have two indexes
   of their own: `jobs/store/metadata_pairs.py` and `jobs/store/text_index.py`.

`worker/dispatch.py`, one loop in every worker process, also repairs what goes wrong on the way: it rescues and
expires (`jobs/lifecycle/rescue.py`), and closes batches (`jobs/lifecycle/close_batch.py`). Whose fault a failed attempt
was, `worker/verdict.py`, `jobs/dispatch/outages.py` and `jobs/dispatch/refusals.py` judge; what must not start now is
a row of `jobs/dispatch/holds.py`. `jobs/live/status_changes.py` makes the messages about these changes.
`jobs/lifecycle/retry.py` runs failures again when a user asks for it. What the attempts of a dead worker cost is
counted afterwards (`jobs/lifecycle/lost.py`, `worker/lost.py`). `jobs/pricing.py` makes a cost of a usage
(`jobs/model/cost.py`), and `jobs/store/costs.py` adds costs up.

Everything belongs to a project: `jobs/store/keys.py`. A client's retry never creates a second job:
`jobs/intake/idempotency.py`. A batch from a file (`jobs/store/files.py`) is a draft (`jobs/intake/drafts.py`) until it
is whole. A job that was submitted as a Response has one more row: `jobs/lifecycle/responses.py`.

Which upstreams there are, and how each is used, is read from a file or the environment: `jobs/upstreams/`. What they
have shown of themselves is stored by `jobs/store/upstream_habits.py`. `jobs/dispatch/waiting.py` says why a queued job
waits.

What all of these build on: the statuses and who changes them (`jobs/model/status.py`), rows as values
(`jobs/model/records.py`, `jobs/model/batch_records.py`, `jobs/model/endings.py`), the tables (`jobs/tables/`) and their
revision (`jobs/store/revision.py`), the database (`jobs/store/database.py`), ids (`jobs/model/ids.py`), settings
(`jobs/settings.py`, `jobs/setting_types.py`), logs (`jobs/logs.py`), the connection over which each delta goes
(`jobs/live/redis_connection.py`), the proxy before the upstream (`jobs/proxy.py`).

The database is authoritative. Redis can be wiped at any moment without losing a job or a text.
"""
