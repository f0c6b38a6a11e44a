"""Which keys there are (`keyring.py`), and how many may watch with one key (`watch_limiter.py`)."""
