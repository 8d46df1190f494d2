"""Tables that jobs beside the first one leave of a model, each with a column ``model`` too.

What a model has none of (a base, kinds of harm) leaves a table without rows.
"""

from __future__ import annotations

GEOMETRY = {
    "angles": ("one", "two", "layer", "cosine"),
    "shifts": ("id", "variant", "layer", "cosine", "length", "side", "group"),
    "ranks": ("variant", "layer", "rank", "first", "side"),
    "stability": ("direction", "layer", "low", "middle", "high", "draws"),
    "kinds": ("id", "group", "kind", "layer", "value"),
    "kind_controls": ("layer", "draw", "value", "share"),
    "spaces": ("layer", "other", "number", "degrees"),
    "vectors": ("direction", "layer", "vector"),
}
FURTHER = {**GEOMETRY}
