"""Whether the tensors in a folder's files are those that its configuration describes; from their headers alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from anatomy.errors import AnatomyError, ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import EMBEDDINGS, IN_BLOCK, writing_site
from anatomy.models.size import FLOATING

EMBEDDING = re.compile(rf"^(?:(?:model|language_model|gpt_neox|transformer)\.)*(?:{'|'.join(EMBEDDINGS)})\.weight$")

EMBEDDED = "model.embed_tokens.weight"

FURTHER = "num_nextn_predict_layers"
"""Blocks after the last one that guess further tokens (DeepSeek-V3, GLM-4.5); no library computes them here."""


def weight_problems(checkpoint: Checkpoint) -> Iterator[AnatomyError]:
    """Blocks that config.json does not count, an embedding of another height than ``vocab_size``, no head, integers for weights.

    transformers leaves out blocks that its configuration does not count, with a line in a log, and casts integers to numbers.
    """
    where = str(checkpoint.folder)
    layers, stacks = checkpoint.text_config.get("num_hidden_layers"), _stacks(checkpoint)
    if isinstance(layers, int) and len(stacks) == 1:
        (stored,) = stacks.values()
        if not layers <= len(stored) <= layers + (checkpoint.text_config.get(FURTHER) or 0):
            yield ModelError(
                found=f"{len(stored)} blocks in the weights, and num_hidden_layers {layers} in config.json",
                expected="as many in both: a configuration of other weights makes another model of them, without a word",
                where=where,
                remedy="take config.json and weights from one version of the model",
            )
    vocabulary = checkpoint.text_config.get("vocab_size")
    for name in filter(EMBEDDING.match, checkpoint.names()):
        if isinstance(vocabulary, int) and checkpoint.shape(name)[0] != vocabulary:
            yield ModelError(
                found=f"an embedding of {checkpoint.shape(name)[0]} rows ({name}), and vocab_size {vocabulary} in config.json",
                expected="as many in both",
                where=where,
                remedy="take config.json and weights from one version of the model; a tokenizer may know fewer tokens than that",
            )
    tied = [part.get("tie_word_embeddings") for part in (checkpoint.config, checkpoint.text_config)]
    if False in tied and True not in tied and EMBEDDED in checkpoint.names() and "lm_head.weight" not in checkpoint.names():
        yield ModelError(
            found="no output head (lm_head.weight), and tie_word_embeddings false in config.json",
            expected="a head, or embeddings that serve as one",
            where=where,
            remedy="copy the missing shard, or take config.json and weights from one version of the model",
        )
    stored_as = {
        checkpoint.dtype(name): name
        for name in checkpoint.names()
        if name.endswith(".weight") and len(checkpoint.shape(name)) > 1 and not _plain(checkpoint.dtype(name))
    }
    if stored_as and checkpoint.quantisation is None:
        dtype, name = next(iter(sorted(stored_as.items())))
        yield ModelError(
            found=f"weights stored as {dtype}, such as {name}, and no quantization_config in config.json",
            expected="BF16, F16, F32 or F64, or a configuration that says how to read the others",
            where=where,
            remedy="take the model that these weights were quantised from, or the configuration that belongs to them",
        )


def _stacks(checkpoint: Checkpoint) -> dict[str, set[int]]:
    """Numbers of the blocks in each stack."""
    found: dict[str, set[int]] = {}
    for match in filter(None, map(IN_BLOCK.match, checkpoint.names())):
        if not _joins_heads(match["inside"].split(".")):
            continue
        found.setdefault(match["stack"], set()).add(int(match["layer"]))
    return found


def _joins_heads(inside: list[str]) -> bool:
    """Whether a tensor is the matrix that joins heads, or one of those that a quantised one is stored as."""
    return any(writing_site(".".join(inside[:count])) == "o_proj" for count in range(1, len(inside)))


def _plain(dtype: str) -> bool:
    """Whether a number in this format is the weight itself; eight bits need a scale, which only a configuration names."""
    return dtype in FLOATING and not dtype.startswith("F8")
