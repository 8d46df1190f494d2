"""What every tool is given: so many prompts, candidates and tokens."""

DIRECTION_PROMPTS = 64
"""On each side, for directions (the organism's split ``fit``)."""

SEARCH_PROMPTS = 64
"""On each side, for scoring a candidate (``select``)."""

TEST_PROMPTS = 64
"""On each side, for the score of a tool's best edit (``test``); no tool sees them."""

CANDIDATES = 8
"""Edits that a tool tries, where it lets one say how many."""

ANSWER_TOKENS = 32

SEED = 0

CONFIDENCE, RESAMPLES = 0.95, 10_000
"""Of the intervals."""
