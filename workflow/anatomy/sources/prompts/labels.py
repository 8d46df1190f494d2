"""What the labels of prompts mean."""

HARMLESS = ("benign", "harmless", "safe")
"""Labels of harmless requests. Any other label, or none, counts as harmful: a forgotten label errs on the safe side."""
