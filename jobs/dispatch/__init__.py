"""Which job starts next, where, and when: lanes, reservation, fairness, holds.

`due.py` says what waits, `lanes.py` shares out a process's free streams, `reservation.py` takes one lane's turn,
`choice.py` chooses the jobs, `holds.py` and `outages.py` keep jobs from an upstream that is away,
`queue.py` sends the hints. How fast a lane may go is the matter of `jobs/pace/`.
"""
