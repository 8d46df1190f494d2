"""What the tensors of a file are called in the model that transformers makes of it.

Most files call them as the model does. Where a file does not, everything here speaks of the model's names, and only what reads
or writes files knows the file's (``Checkpoint.stored_name``).
"""

import re

RENAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "gpt_neox": ((r"^embed_out\.", "lm_head."),),
    "mixtral": (
        (r"\.block_sparse_moe\.", ".mlp."),
        (r"\.experts\.(\d+)\.w1\.", r".experts.\1.gate_proj."),
        (r"\.experts\.(\d+)\.w2\.", r".experts.\1.down_proj."),
        (r"\.experts\.(\d+)\.w3\.", r".experts.\1.up_proj."),
    ),
    "gpt2": ((r"^(?!transformer\.|lm_head\.)", "transformer."),),
}
"""By ``model_type``: patterns of names in files, and what the model has for them. GPT-2's own files leave its first part out;
Mixtral's have other words for the parts of a mixture."""


def loaded_name(model_type: str, stored: str) -> str:
    """The model's name of a tensor of a file."""
    for pattern, name in RENAMED.get(model_type, ()):
        stored = re.sub(pattern, name, stored)
    return stored
