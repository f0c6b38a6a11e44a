"""Submit: how a job or a batch is read, checked and stored.

- `submit.py`: POST of jobs and batches. `idempotency.py`: the key that lets a POST be repeated.
- `bodies.py` reads what came, `slices.py` cuts a large batch into its items; `checks.py` and `fields.py` say what is
  wrong with it.
- `file_batches.py`: a batch from a file, whose lines `input_lines.py` reads and checks as a stream.
"""
