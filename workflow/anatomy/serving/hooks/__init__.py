"""Interventions inside vLLM's own module: one batch holds requests of many interventions, and of none."""
