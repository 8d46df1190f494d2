"""ROSI (arXiv 2508.20766): rank-one safety injection, its variants, search, claims and figures."""
