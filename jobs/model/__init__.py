"""Rows as values: the statuses and who changes them, jobs and batches as they are read, ids; and whose turn it is."""
