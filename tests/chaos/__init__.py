"""The chaos suite: real processes, real faults between them, and what must hold at the end.

- `fault_proxy.py` stands between the processes and Redis, the database and the upstream, and breaks what passes;
  `trap.py` breaks it at a certain place.
- `crash_worker.py` is a worker that kills or stops itself at a named point.
- `stack.py` starts and ends the processes (`processes.py`); `rows.py` reads what the database says of their jobs,
  `watching.py` follows jobs as a browser would, `listening.py` hears the bare channels.
- `invariants.py` is the check at the end of every test.
- `audit.py` looks at every commit from inside PostgreSQL.
- `soak.py` injects faults at random for as long as you like; `mutants.py` checks the tests themselves: it takes
  out what `taken_out.py` and `taken_out_of_dispatch.py` list.
"""
