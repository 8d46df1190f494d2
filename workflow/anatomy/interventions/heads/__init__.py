"""Heads that are distilled: what of another model's answers a residual on a frozen model's output head can carry."""
