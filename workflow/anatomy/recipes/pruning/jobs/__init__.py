"""Jobs of harm pruning."""
