"""`python -m benchmarks.pace SCENARIO...`: what Longhand makes of a provider's limits, outages and an empty account.

Each scenario starts a whole stack with simulated providers, submits, measures, and prints a row of figures with OK, or
MISSED and what was missed. Without a name all of them run, in about half an hour. `--jobs` makes one smaller.

The loop with the official SDK needs `pip install '.[bench]'`, or BENCH_PYTHON: the Python of an environment that has
`openai`.
"""
