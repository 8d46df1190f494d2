"""What the labels of prompts mean."""

from __future__ import annotations

HARMFUL = ("harmful", "unsafe")
HARMLESS = ("benign", "harmless", "safe")
"""Labels of harmless requests. Any other label, or none, counts as harmful: a forgotten label errs on the safe side."""

YES, NO = ("1", "1.0", "true", "yes", "y"), ("0", "0.0", "false", "no", "n")
FLAGS = (*YES, *NO)
"""What people write for yes and no. As a label it says nothing: data sets differ in what 1 stands for."""


def plain_label(label: str) -> str:
    """A label that is known here in small letters; others stay as they are."""
    small = label.strip().casefold()
    return small if small in (*HARMFUL, *HARMLESS) else label


def side_of(label: str | None) -> str:
    """``harmless`` for the labels of harmless requests, else ``harmful``."""
    return "harmless" if label in HARMLESS else "harmful"
