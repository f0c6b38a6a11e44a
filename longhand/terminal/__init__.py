"""What the command shows in a terminal: lists, work in progress, why something waits."""
