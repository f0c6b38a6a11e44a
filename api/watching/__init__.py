"""The texts while they are written, as server-sent events.

- `events.py`: one job (`event_stream.py` sends). `watch.py` is the watch of it: it speaks in `frames.py` and resumes
  from `cursors.py`. `job_text.py` knows how far a watcher is in one text, and reads what it missed from `tails.py`.
- `hub.py` shares one subscriber connection (`subscriber.py`) among all. What it hears waits in each one's `watcher.py`.
- `batch_events.py`: all jobs of a batch at once. `batch_watch.py` is the watch of a batch: `batch_states.py` knows what
  was shown, `batch_jobs.py` shows rows, `batch_texts.py` follows the texts with an ear for each running job
  (`ears.py`), `batch_outbox.py` makes the events, `batch_cursor.py` and `batch_shown.py` their ids.
"""
