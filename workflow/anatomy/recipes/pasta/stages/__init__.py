"""Stages of PASTA's own: the signature, where it lies, detectors and measures of texts."""
