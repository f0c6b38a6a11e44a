"""How fast to send: the pace of one lane, which is one upstream and one model.

`jobs/pace/lane.py` has the controller, `jobs/pace/reports.py` what it is told. It is pure: no I/O, no clock (`now` is passed as
seconds of one clock that all workers share), and its whole state is a small JSON object in a row. Each worker uses the row by turns,
in one short transaction that locks it:

    lane = Lane.from_json(row.pace, limits)           # or Lane.new(limits, now) for a new row, or one that cannot be read
    lane.apply(reports, in_flight, now)               # what this process has seen since its last turn, in any order
    for _ in range(min(lane.room(in_flight, now), waiting)):
        send_at = lane.reserve(estimated_tokens, now) # None: no room for it now
        if send_at is None: break
        in_flight += 1
    row.pace = lane.to_json()

`in_flight` is counted by the caller from its rows: what is reserved or hinted, being sent, or running. So a worker that dies leaks
nothing here. `reserve` takes `lead`: a caller that can hold a request back until a given time passes how far ahead it may be
planned (0.1 s is good), and `reserve` answers with the time to send at. Without it the answer is `now`.
"""
