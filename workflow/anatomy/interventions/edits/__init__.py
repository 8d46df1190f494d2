"""Every change to a model, as data."""
