"""Tables that jobs beside the first one leave of a model, each with a column ``model`` too.

What a model has none of (a base, kinds of harm) leaves a table without rows.
"""

from __future__ import annotations

from anatomy.config.schema import Config

GEOMETRY = {
    "angles": ("one", "two", "layer", "cosine"),
    "shifts": ("id", "variant", "layer", "cosine", "length", "side", "group"),
    "ranks": ("variant", "layer", "rank", "first", "side"),
    "stability": ("direction", "layer", "low", "middle", "high", "draws", "n"),
    "kinds": ("id", "group", "kind", "layer", "value"),
    "kind_controls": ("layer", "draw", "value", "share"),
    "spaces": ("layer", "other", "number", "degrees"),
    "vectors": ("direction", "layer", "vector"),
    "transplants": ("id", "group", "layer", "own", "base", "upwards", "downwards", "taken", "lost"),
    "moved": ("id", "group", "side", "wording", "position", "kind", "kl", "agrees"),
}
STEERED = {
    "modes": ("id", "group", "side", "mode", "layers", "direction", "dose", "metric", "kl"),
    "suppression": ("id", "group", "side", "mode", "layers", "direction", "dose", "metric", "kl"),
    "steered_answers": ("id", "group", "mode", "layers", "direction", "dose", "nll", "kl", "tokens"),
    "layer_steering": ("id", "group", "layer", "direction", "metric", "rise"),
}
"""What ways of steering leave; ``dose`` is missing in rows of the unedited model, whose ``mode`` is ``none``."""
FEATURES = {
    "fidelity": ("layer", "features", "active", "explained", "alive", "tokens", "source"),
    "spliced": ("id", "clean", "spliced", "mean", "group", "side"),
    "feature_directions": ("direction", "feature", "rank", "cosine", "chance"),
    "cards": ("feature", "nearest", "cosine", "density", "strength", "harmful", "harmless", "by_lens", "by_activation"),
    "feature_steering": ("id", "dose", "metric", "kl", "side", "kind", "feature", "group"),
}


FACTS = {
    "fact_patches": ("part", "layer", "clean", "corrupt", "recovery", "id", "group"),
    "fact_edits": ("measure", "number", "before", "after", "id", "group", "layer", "kind", "under"),
}


def further(config: Config) -> dict[str, tuple[str, ...]]:
    """Every such table of a run."""
    wanted = config.mechanisms
    asked = [*([] if wanted.features is None else [FEATURES]), *([] if wanted.facts is None else [FACTS])]
    return {**GEOMETRY, **STEERED, **{name: columns for tables in asked for name, columns in tables.items()}}
