"""Superficial knowledge (arXiv 2502.04602): what of alignment a residual on the base's output head carries."""
