"""Whether a finished text is what was asked for: JSON by a schema, checked in a process that may be killed."""
