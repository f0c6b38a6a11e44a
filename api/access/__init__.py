"""Access: who is served, and how many at once.

- `caller.py`: the caller of a request, by key (`keyring.py`) or from this machine.
- `watch_tokens.py`: tokens for `EventSource`. `seats.py`: how many watch with one key.
"""
