"""A finished run, opened from a notebook: what it found, and its models to ask further."""
