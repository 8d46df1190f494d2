"""Benchmark tasks of lm-eval, scored item by item on an engine that is already running."""
