"""Webhooks: who is told of what has ended (`endpoints`, `addresses`), the events (`events`), their delivery
(`deliveries`, `outcomes`). The worker sends them (`worker/webhooks`).
"""
