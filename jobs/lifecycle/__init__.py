"""Every change of a job's status, each one guarded UPDATE: claim, what a running worker does, rescue, retry, the
end of a batch. `jobs/model/status.py` draws the whole.
"""
