"""Candidate directions, how they are scored, and which one is picked."""
