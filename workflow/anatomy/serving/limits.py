"""Models that vLLM cannot serve as asked, or would compute otherwise than transformers does: refused before it starts."""

from anatomy.errors import ConfigError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import longest_served_context


def refuse_adapters_of_experts(checkpoint: Checkpoint) -> None:
    """Refuse adapters for a mixture of experts on the CPU backend (``ConfigError``); the base model is served."""
    from anatomy.models.block_tensors import has_experts  # here, because it imports torch

    if has_experts(checkpoint):
        raise ConfigError(
            found="a mixture of experts, and adapters, on vLLM's CPU backend",
            expected="a dense model, or the CUDA build", where=str(checkpoint.folder),
            remedy="with adapters on, vLLM computes experts by Triton kernels that its CPU build lacks: serve the base model "
                   "alone here, and edits through transformers",
        )  # fmt: skip


def refuse_many_gpus(gpus: int, what: str) -> None:
    """Refuse what needs the engine's module in this process where several GPUs share the model (``ConfigError``)."""
    if gpus > 1:
        raise ConfigError(
            found=f"{what}, on a model that {gpus} GPUs share", expected="one GPU", where="the engine",
            remedy="each GPU's part of the model lies in a process of its own: ask for one GPU (resources.rules), or for a form "
                   "of edit that is an adapter",
        )  # fmt: skip


def refuse_long_context(checkpoint: Checkpoint, max_model_len: int) -> None:
    """Refuse a context at which vLLM takes other LongRoPE frequencies than transformers (``ConfigError``)."""
    longest = longest_served_context(checkpoint.text_config)
    if longest is not None and max_model_len > longest:
        raise ConfigError(
            found=f"max_model_len {max_model_len} for a model with LongRoPE",
            expected=f"at most {longest}, its original context", where=str(checkpoint.folder),
            remedy="beyond it vLLM takes the long frequencies for every prompt, while directions are read under the short ones",
        )  # fmt: skip
