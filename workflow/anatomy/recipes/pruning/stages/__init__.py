"""Stages of harm pruning."""
