"""Sends webhooks: `sender` makes one request, `deliverer` decides which and when."""
