"""Tables of paths and subspaces that a job leaves of a model, each with a column ``model`` too; no refusal tokens, no rows."""

from __future__ import annotations

CIRCUIT_COLUMNS = {
    "ranked": ("layer", "head", "denoise", "noise", "least", "place"),
    "paths": (
        *("role", "place", "sender_layer", "sender_head", "path", "receiver_layer", "receiver_head", "way"),
        *("clean", "corrupt", "patched", "recovery", "id", "group"),
    ),
    "interchange": (
        *("layer", "column", "rank", "id", "group", "way", "clean", "corrupt", "subspace", "draw", "recovery", "length"),
    ),
}
