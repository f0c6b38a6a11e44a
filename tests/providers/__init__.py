"""How providers, gateways and servers really answer, each case with the public report that it was found in.

`case.py` says what a case is, `judging.py` plays and judges one, and `cases_*.py` are the tables. The kinds of fault
have letters: A an early finish_reason, A2 an end without one, B a finish_reason that is a failure, C fields beside the
text, D framing, E errors in odd places, F out of credit or slow down, G one request too large, H outages, I how long to
wait, J long silence, K usage, L dialects of the request, N reasoning. `test_any_*.py` vary how the bytes are cut and
where a fault occurs.
"""
