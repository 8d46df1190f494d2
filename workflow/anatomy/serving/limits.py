"""What vLLM cannot serve as asked, or would compute otherwise than transformers does: known before it starts."""

from anatomy.errors import ConfigError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import longest_served_context


def why_no_adapters(checkpoint: Checkpoint, device: str) -> str:
    """Why vLLM cannot serve adapters of this model here; empty where it can."""
    from anatomy.models.block_tensors import has_experts  # here, because it imports torch

    if device == "cpu" and has_experts(checkpoint):
        return "with adapters on, vLLM computes a mixture of experts by Triton kernels that its CPU build lacks"
    return ""


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
