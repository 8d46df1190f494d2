"""Detectors of machine-written text: instruments that measure, never objectives that anything is trained against."""
