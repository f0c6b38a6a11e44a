"""The texts while they are written, as server-sent events.

- `job_events.py` in `api/endpoints/` is the endpoint of one job. `job_watch.py` follows it, `job_text.py` knows how far
  a watcher is in the text and reads what it missed (`tails.py`), `job_cursor.py` reads the ids that clients send back.
- `batch_events.py` there is the endpoint of a batch. `batch_watch.py` follows it: `batch_states.py` knows what it sent,
  `batch_jobs.py` shows rows, `batch_texts.py` follows the texts over a channel for each running job
  (`job_channels.py`), `batch_outbox.py` makes the events, `batch_cursor.py` and `batch_shown.py` their ids.
- `hub.py` shares one subscriber connection (`subscriber.py`) among all watchers. Received messages wait in each
  watcher's `inbox.py`. `frames.py` makes the events' bytes, `api/http/event_stream.py` sends them.
"""
