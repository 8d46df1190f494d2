"""Scores of single weights by what a set of answers depends on."""
