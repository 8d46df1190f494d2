"""What was done to a checkpoint, read off its weights, and what that does to its answers."""
