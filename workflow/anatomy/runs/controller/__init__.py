"""Who runs a folder of results, and what a controller that was killed left behind."""
