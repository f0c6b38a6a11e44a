"""Webhooks: which URLs to call when work ends (`endpoints`, `addresses`), the events (`events`), their delivery
(`deliveries`, `outcomes`). The worker sends them (`worker/webhooks`).
"""
