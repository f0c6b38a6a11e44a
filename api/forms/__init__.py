"""Jobs, batches, files, upstreams and holds as JSON, the one form that every surface of our own API shows."""
