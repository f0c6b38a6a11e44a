"""How fast to send: the pace of one lane, which is one upstream and one model.

`jobs/pace/lane.py` has the controller, `jobs/pace/reports.py` its input. It is pure: no I/O, no clock (`now` is passed
as seconds of one clock that all workers share), and its whole state is a small JSON object in a row. The workers use
the row in turns, in one short transaction that locks it:

    lane = Lane.from_json(row.pace, limits)           # or Lane.new(limits, now) for a new or unreadable row
    lane.apply(reports, in_flight, now)               # what this process has seen since its last turn, in any order
    for _ in range(min(lane.room(in_flight, now), waiting)):
        tokens = lane.expect(estimated_tokens, now)
        send_at = lane.reserve(tokens, now, 0.0, estimated_tokens) # None: no room for it now
        if send_at is None: break
        in_flight += 1
    row.pace = lane.to_json()

The caller counts `in_flight` from its rows: what is reserved or hinted, being sent, or running. So a worker that dies
leaks nothing here. `reserve` takes `lead`: a caller that can hold a request back passes how far ahead it may be planned
(0.1 s is good), and `reserve` returns the time to send at. Without it that is `now`.

How it works:

- The window (`window.py`) grows by doubling while what is accepted comes soon, and a refusal for too many
  in flight sets it to what the upstream had then. It stays there; a probe above it is rare and doubles its step while
  it is accepted. First deltas that all wait several times as long as with few in flight shrink it: the server queues,
  or it stalls. At first the window comes back at once, as after a stall; from then on it is tried with more at growing
  intervals.
- The rate (`rate.py`) is known from the file or the headers, and then requests are spaced at 98.5 % of it; or it is
  learned. At first it grows by a fifth in a quarter of a second and hardly anything is planned ahead, so that the first
  refusal comes just above the limit and is nearly alone. From then on the n-th request before this one must be n/rate
  seconds ago, by the times of sending. After a cut the rate comes back to what was held before, unless that is refused
  again, but not below what was accepted between two refusals. A probe begins with one request more, at a moment when
  the limit is used up; only if that is accepted is the rate raised (`growth.py`).
- A refusal is judged 0.12 s later (`judge.py`), when the log (`log.py`) shows how many were in flight and how many were
  accepted in the second before. What was accepted under the same conditions tells which of both limits it was. Until
  then nothing starts. All refusals that were sent before the judgement are one.
- A refusal of one project in a lane of long texts cuts nothing yet if others wait and as many in flight were accepted
  before: another project goes first, and only if that is refused, too, is it a limit (`others_first.py`).
- Tokens (`tokens.py`) are a bucket. A reservation takes what such a request will probably use, at most a minute's. Its
  job's row remembers how many, and the end gives these back, less what was used.
  If mostly large requests are refused, there is a limit of tokens that nothing states: it becomes what was accepted
  between two refusals (`token_rate.py`).
- Refusals in a row pause the lane, longer each time, and so does a Retry-After, unless only one request met the limit
  after many clean ones; after three, one request at a time is tried. When nothing is accepted for five seconds, the
  limit is one per minute: the rate becomes what was accepted in the last minute.
"""
