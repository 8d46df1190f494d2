"""Edited checkpoints for other tools: streamed, verified, described, and only through the gate."""
