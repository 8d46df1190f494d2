"""What a run is doing, how long it still takes, and its last words."""
