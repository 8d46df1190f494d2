"""The tools that are measured, in the order of the table: a module each, with ``TOOL``."""

NAMES = ("ours_answers", "ours_engine", "heretic", "senbonzakura", "ours_logits", "refusal_direction", "temaq")
