"""Webhooks: which URLs to call when work ends (`endpoints`, `addresses`, `lookups`), the events (`events`), their
delivery (`deliveries`, `past`). The worker sends them (`worker/webhooks`).
"""
