"""Measure, localise and edit the traces of alignment training in language models."""
