"""What the tensors of a file are called in the model that transformers makes of it.

Most files call them as the model does. Where a file does not, everything here speaks of the model's names, and only what reads
or writes files knows the file's (``Checkpoint.stored_name``).
"""

import re

QWEN_SEEING = ("qwen2_vl", "qwen2_5_vl")
SEEING = ("gemma3", *QWEN_SEEING)
"""Types of models that see around a language model; Qwen's are not among those that transformers counts as causal."""

RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "gpt_neox": ((r"^embed_out\.", "lm_head."),),
    "gemma3": (
        (r"^language_model\.lm_head\.", "lm_head."),
        (r"^language_model\.(?:model\.)?", "model.language_model."),
        (r"^(vision_tower|multi_modal_projector)\.", r"model.\1."),
    ),
    **dict.fromkeys(
        QWEN_SEEING,
        ((r"^visual\.", "model.visual."), (r"^model\.(?!language_model\.|visual\.)", "model.language_model.")),
    ),
    "mixtral": (
        (r"\.block_sparse_moe\.", ".mlp."),
        (r"\.experts\.(\d+)\.w1\.", r".experts.\1.gate_proj."),
        (r"\.experts\.(\d+)\.w2\.", r".experts.\1.down_proj."),
        (r"\.experts\.(\d+)\.w3\.", r".experts.\1.up_proj."),
    ),
    "gpt2": ((r"^(?!transformer\.|lm_head\.)", "transformer."),),
}
"""By ``model_type``: patterns of names in files, and what the model has for them. GPT-2's own files leave its first part out;
Mixtral's have other words for the parts of a mixture; models that see have one more part around the language model."""


def loaded_name(model_type: str, stored: str) -> str:
    """The model's name of a tensor of a file."""
    for pattern, name in RENAMED.get(model_type, ()):
        stored = re.sub(pattern, name, stored)
    return stored
