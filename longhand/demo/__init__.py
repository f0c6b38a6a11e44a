"""Longhand at work, once and from nothing: `longhand demo`.

`run.py` starts a stack, submits the articles of `prompts.py` and watches them; `report.py` compares what was watched
with what is stored, and says how it went.
"""
