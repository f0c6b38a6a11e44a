"""The HTTP service: submit, watch, query. It stands on `jobs` and knows nothing of `worker`.

- `main.py`: the composition root. It makes every part once, joins them into one application and serves it.
- `protocol.py`: HTTP/1.1, with bounds for the head of a request.
- `parts.py`: what the endpoints are given; `envelope.py`: what every request goes through; `errors.py`: every refusal.
- `access/`: who is served, by key or from this machine, and how many at once.
- `submitting/`: POST of jobs and batches, read, checked and stored.
- `query.py`: jobs, batches and their texts, from rows alone. `parameters.py` reads what was asked for, `finding.py`
  finds what a path names. `json_lines.py`: JSON that every reader takes for one line.
- `results.py`: a batch's texts as one file (`exports.py` has the three formats).
- `cancel.py`: the end of jobs and batches by hand; `retry.py`: failures run again; `announce.py` tells their watchers.
- `watching/`: the texts while they are written.
- `openai/`: the same jobs in OpenAI's forms: files, Responses, chat completions, models.
- `page.py`: the web page at `/`. Its files are in `page/`; `page/main.js` is its composition root.
- `reference.py`: the page at `/docs`. `health.py`: whether the process lives, and whether it can work. `schemas.py`
  and `request_bodies.py`: what the OpenAPI page says of answers and of bodies.
"""
