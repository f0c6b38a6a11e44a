"""From a request to rows: submission in one transaction, drafts of large batches, idempotency keys."""
