"""Jobs and batches in the forms that the official SDKs speak.

- `files.py`: files. `output_lines.py` writes a batch's output from its rows. (`api/submitting/` stores the bytes of an
  upload and creates a batch from a file.)
- `completions.py`: chat completions as jobs, in the form of `chat_answers.py`.
  `text_completions.py`: the older ones, of a prompt.
- `responses.py`: Responses. `response_request.py` reads the request with `response_parameters.py` and
  `response_input.py`, and `response_conversation.py` puts in what it refers to. `response_object.py` and
  `response_reasoning.py` show the Response, `response_stream.py` sends the events that `response_events.py` makes,
  numbered by `response_numbers.py`. `response_items.py`: input items, and their tokens.
- For both, `job_events.py` is the watch of a job as values, and `posted_job.py` waits for the job of a POST.
- `models.py`: the upstreams' models (`api/model_lists/`).
- `schemas.py`: what the OpenAPI page says about all of this.
"""
