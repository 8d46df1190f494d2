"""Prompt sets: files to tables, repeated and similar prompts, group splits, audit."""
