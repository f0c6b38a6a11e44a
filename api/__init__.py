"""The HTTP service: submit, watch, query. It builds on `jobs` and never imports `worker`.

- `main.py` is the composition root: it creates every service once, joins them into one application and serves it.
  `services.py` gives them to the endpoints.
- `http/`: what every request passes through: `protocol.py` (HTTP/1.1 with bounds), `envelope.py`, `errors.py`.
- `access/` and `callers/`: who sends a request (by key, by watch token or from this machine), and how many at once.
- `submitting/`: POST of jobs and batches, read, checked and stored.
- `endpoints/`: the rest of our own API. `query.py` reads jobs, batches and texts from rows alone, `results.py` sends a
  batch's texts as one file (`exports.py` has the formats), `cancel.py` and `retry.py` change jobs by hand
  (`status_publisher.py` sends that to watchers), `page.py` serves the web page, whose files are in `page/`.
- `watching/`: the texts while they are written.
- `openai/`: the same jobs in OpenAI's forms: files, Responses, chat completions, models (`model_lists/`).
- `waiting.py`: why a job waits, and what holds it. `schemas/`: what the OpenAPI page says about answers.
"""
