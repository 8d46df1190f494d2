"""Judges: a completions table in, rows of judgements out."""
