"""Jobs: what a job is, where it is stored, how it travels. Both `api` and `worker` import this, and never each other.

`docs/architecture.md` follows one job through the files. The rooms:

- `model/`: rows as values, the statuses and who changes them. `tables/`: the tables.
- `store/`: the database, queries, search and its indexes, texts, files, keys.
- `inputs/`: reads the files that people submit. `intake/`: from a request to rows.
- `upstreams/`: which endpoints there are, and how each is used.
- `dispatch/`: which job starts next, where and when. `pace/`: how fast a lane may go.
- `lifecycle/`: every change of a job's status, and the end of what is kept.
- `acceptance/`: whether a finished text is what was asked for.
- `live/`: what goes over Redis. `webhooks/`: calls to your URLs when work ends. `metrics/`: what a process counts.

The database is authoritative. Redis can be wiped at any moment without losing a job or a text.
"""
