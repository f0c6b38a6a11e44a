"""The Celery worker: claim, stream, record, finish; dispatch and rescue. It stands on `jobs`, knows nothing of `api`.

- `main.py`: the composition root. It makes every part once. `consumer.py`: Celery takes the hints, each in a thread.
- `attempt.py`: one attempt of a job. `upstream/` reads the completion, `continuation.py` asks for the rest of an
  interrupted text, `measure.py` counts and hashes what was written.
- `answer_check.py`: holds a text to the format that was asked for.
- `finalize.py`: what becomes of the attempt, stored and then published. `db_retry.py`: tries again while the database
  is away.
- `event_loop.py`: the one loop that all streams share. `recorder.py`: keeps every delta of a
  `recording.py` and publishes it.
- `active_attempts.py`: which attempts run here. `heartbeat.py` renews their leases and checkpoints their texts.
- `memory.py`: one heap for all threads.
- `group_commit.py`: threads that claim or finish at the same time share a transaction.
- `dispatch.py`: hints what is due, rescues what dead workers held; `lost.py` counts afterwards what that had cost.
"""
