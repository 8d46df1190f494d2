"""Stages of superficial knowledge's own: targets, diagnostics."""
