"""Submit: how a job or a batch is read, checked and stored.

- `submit.py`: POST of jobs and batches.
- `bodies.py` reads what came, `slices.py` cuts a large batch into its items; `batch_orders.py` says what is wrong with
  a batch, `batch_defaults.py` with its defaults, `webhook_orders.py` with a webhook, `checks.py` with a job,
  `named_upstreams.py` with the upstream that it names, and `fields.py` with a value.
- `file_batches.py`: a batch from a file. `uploads.py` stores the file, and `jobs/inputs/` says what it means;
  `input_files.py` reads it as a stream, and `input_lines.py` checks its lines. `inputs.py` says what a file would
  become, before it is a batch.
- `response_request.py`: the body of a Response, with its parameters, its input and its tools in `response_*.py`.
"""
