"""Whether a finished text is what was asked for: by a schema and by rules, checked in a process that may be killed."""
