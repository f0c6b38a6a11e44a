"""The metrics of an API process, and of what all processes share: the rows of lanes, holds and queued jobs."""
