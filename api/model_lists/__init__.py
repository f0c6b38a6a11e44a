"""Which models there are, asked of the upstreams and remembered for a moment."""
