"""The Celery worker: claim, stream, record, finish; dispatch and rescue. It builds on `jobs` and never imports `api`.

- `main.py`: the composition root. It creates every part once. `consumer.py`: Celery runs each hint in a thread.
- `attempt.py`: one attempt of a job. `upstream/` reads the completion, `continuation.py` requests the rest of an
  interrupted text, `measure.py` counts and hashes the text.
- `answer_check.py`: checks a text against the format that the request asks for.
- `finalize.py`: stores what becomes of the attempt, then publishes it. `db_retry.py`: tries again while the database
  is away.
- `event_loop.py`: the one loop that all streams share. `recorder.py`: stores every delta of a `recording.py` in Redis
  and publishes it.
- `active_attempts.py`: the attempts that run here. `heartbeat.py` renews their leases and checkpoints their texts.
- `memory.py`: one heap for all threads.
- `group_commit.py`: threads that claim or finish at the same time share a transaction.
- `dispatch.py`: hints due jobs and rescues the jobs of dead workers; `lost.py` counts afterwards what those had cost.
"""
