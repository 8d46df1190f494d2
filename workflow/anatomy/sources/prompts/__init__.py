"""Prompt sets: loading, group splits, near-duplicate audit."""
