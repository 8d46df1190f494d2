"""Jobs of the mechanism battery."""
