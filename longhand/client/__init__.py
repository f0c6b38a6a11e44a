"""The HTTP client: thin loops over what does no I/O."""
