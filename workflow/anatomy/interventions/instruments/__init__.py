"""Instruments that say where in a model a behaviour sits, each with its control."""
