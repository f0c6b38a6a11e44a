"""The tables. The migrations in `migrations/versions/` make them; a test compares the two."""

from jobs.tables.access import api_keys, idempotency_keys, projects, server_secrets
from jobs.tables.intake import drafts, files, job_requests, responses
from jobs.tables.lanes import holds, lanes
from jobs.tables.schema import DEFAULT_PROJECT, metadata
from jobs.tables.texts import longest_texts, lost_texts, rejected_texts, texts
from jobs.tables.upstreams import pauses, upstream_habits
from jobs.tables.webhooks import webhook_deliveries, webhooks
from jobs.tables.work import LIST_COLUMNS, RESULT_COLUMNS, USAGE, attempts, batches, jobs, metadata_pairs

__all__ = [
    "DEFAULT_PROJECT",
    "LIST_COLUMNS",
    "RESULT_COLUMNS",
    "USAGE",
    "api_keys",
    "attempts",
    "batches",
    "drafts",
    "files",
    "holds",
    "idempotency_keys",
    "job_requests",
    "jobs",
    "lanes",
    "longest_texts",
    "lost_texts",
    "metadata",
    "metadata_pairs",
    "pauses",
    "projects",
    "rejected_texts",
    "responses",
    "server_secrets",
    "texts",
    "upstream_habits",
    "webhook_deliveries",
    "webhooks",
]
