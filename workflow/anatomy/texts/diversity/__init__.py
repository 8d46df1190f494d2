"""Diversity, style and length of sets of texts."""
