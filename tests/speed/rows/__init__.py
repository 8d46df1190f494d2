"""The rows of the table, in its order: a module each, with one ``measure(setting)`` that gives its comparisons."""

ROWS = (
    "training",
    "generation_sweep",
    "adapter_speed",
    "mmlu_vllm",
    "mmlu_transformers",
    "hellaswag",
    "many_variants",
    "head_training",
    "weight_scores",
    "extraction",
    "patching",
    "selection_grid",
    "direction_search",
    "hooked_decoding",
    "export",
)
