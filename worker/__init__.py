"""The Celery worker: claim, stream, record, finish; dispatch and rescue. It builds on `jobs` and never imports `api`.

`main.py` creates every part once. `docs/architecture.md` follows a job through them. Beside that way:

- `background_loop.py`: what dispatch, the heartbeat, the sweeper and the count of lost attempts have in common.
- `parts.py` and `seam.py`: the rest of a text that stopped at the token limit; `rest.py`, `repetition.py` and
  `greeting.py` find where it begins. `continuation.py`: the rest of an interrupted text. `repair.py`: a better text in
  place of a rejected one. `loop_guard.py`: a text that repeats itself without end.
- `failed_attempts.py`: what becomes of a job whose attempt failed. `lost.py`: what the attempts of a dead worker cost.
- `unhinted.py`: jobs that run although the broker takes no hints. `webhooks/`: calls to your URLs when work ends.
- `counts.py`, `metrics.py`, `traces.py`, `signs.py`: what the process says of itself.
- `event_loop.py`: the one loop that all streams share. `memory.py`: one heap for all threads.
"""
