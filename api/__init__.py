"""The HTTP service: submit, watch, query. It stands on `jobs` and knows nothing of `worker`.

- `main.py`: the composition root. It makes every part once, joins them into one application and serves it.
- `parts.py`: what the endpoints are given; `envelope.py`: what every request goes through; `errors.py`: every refusal.
- `submit.py`: POST of jobs and batches. `bodies.py` reads what came, `checks.py` says what is wrong with it.
- `query.py`: jobs, batches and their texts, from rows alone. `parameters.py` reads what was asked for.
- `results.py`: a batch's texts as one file (`exports.py` has the three formats).
- `cancel.py`: the end of jobs and batches by hand; `retry.py`: failures run again; `announce.py` tells their watchers.
- `events.py`: a job's text while it is written, as server-sent events (`event_stream.py`). `watch.py` is the watch of
  one job: it speaks in `frames.py` and resumes from `cursors.py`. `job_text.py` knows how far a watcher is in one text,
  and reads what it missed from `tails.py`. `hub.py` shares one subscriber connection (`subscriber.py`) among all.
- `batch_events.py`: all jobs of a batch at once. `batch_watch.py` is the watch of a batch: `batch_states.py` knows what
  was shown, `batch_texts.py` follows the texts with an ear for each running job (`ears.py`), `batch_outbox.py` makes
  the events, `batch_cursor.py` their ids.
- `page.py`: the web page at `/`. Its files are in `page/`: `main.js` is its composition root.
- `health.py`: whether the process lives, and whether it can work. `schemas.py`: what the OpenAPI page says of all this.
"""
