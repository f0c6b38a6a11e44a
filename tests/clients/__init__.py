"""Real clients against a whole stack, with their defaults: each in an environment of its own.

`python -m tests.clients` makes the environments, starts a stack and runs every client; see README.md.
"""
