"""The local stack that `longhand up` runs: Valkey, the workers and the API, as processes of one machine.

`stack.py` starts and ends them in order; `home.py` is the folder that a stack has to itself, `embedded.py` starts
Valkey, `supervisor.py` keeps the processes running, `leash.py` lets none of them outlive the stack, and `signals.py`
waits for its end. Nothing is imported here: the commands must start without loading any of it.
"""
