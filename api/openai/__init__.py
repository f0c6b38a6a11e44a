"""Jobs and batches in the forms that the official SDKs speak.

- `files.py`: files, whose bytes `uploads.py` keeps on disk. `output_lines.py` writes a batch's output from its rows.
  (A batch is made of a file in `api/submitting/`.)
- `completions.py`: chat completions as jobs, in the form of `chat_answers.py`.
- `responses.py`: Responses. `response_request.py` reads what is asked for, `response_object.py` shows it,
  `response_stream.py` sends the events that `response_events.py` makes, numbered by `response_numbers.py`.
- For both, `job_events.py` is the watch of a job as values, and `at_end.py` waits for a job's end.
- `models.py`: the upstream's models (`upstream_models.py`).
- `schemas.py`: what the OpenAPI page says of files and Responses.
"""
