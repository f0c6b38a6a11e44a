"""Who sends a request: by a key, by a watch token, or as a program on this machine."""
