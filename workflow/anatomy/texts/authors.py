"""Whose text a row of a table holds, as its ``variant`` says where no variant of a model wrote it."""

HUMAN = "human"
"""The human's own continuations, which stand in the tables beside those of the models."""
ALIGNED = "aligned"
"""An aligned model's unedited answers, among texts that detectors are fitted on."""
