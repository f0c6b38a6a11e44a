"""Submit: how a job or a batch is read, checked and stored.

- `submit.py`: POST of jobs and batches. `idempotency.py`: the key that lets a POST be repeated.
- `bodies.py` reads what came, `slices.py` cuts a large batch into its items; `batch_orders.py` says what is wrong with
  a batch, `checks.py` with a job, and `fields.py` with a value.
- `file_batches.py`: a batch from a file. `jobs/inputs/` says what the file means; `input_files.py` reads it as a
  stream, and `input_lines.py` checks its lines. `inputs.py` says what a file would become, before it is a batch.
"""
