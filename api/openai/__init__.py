"""Jobs and batches in the forms that the official SDKs speak.

- `files.py`: files. `output_lines.py` writes a batch's output from its rows. (`api/submitting/` stores the bytes of an
  upload and creates a batch from a file.)
- `completions.py`: chat completions as jobs, in the form of `chat_answers.py`.
- `responses.py`: Responses. `response_request.py` reads the request, `response_object.py` shows the Response,
  `response_stream.py` sends the events that `response_events.py` makes, numbered by `response_numbers.py`.
- For both, `job_events.py` is the watch of a job as values, and `at_end.py` waits for a job's end.
- `models.py`: the upstreams' models (`api/model_lists/`).
- `schemas.py`: what the OpenAPI page says about files and Responses.
"""
