"""What goes over Redis: the channel of a job or a batch, the connection for it, wakes. It may be lost at any time."""
