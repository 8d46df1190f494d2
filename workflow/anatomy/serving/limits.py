"""What vLLM cannot serve as asked, or would compute otherwise than transformers does: said before it is asked."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from anatomy.errors import ConfigError, DataError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import longest_served_context
from anatomy.models.matrix_names import TRANSPOSED
from anatomy.models.tensor_names import SEEING


def why_no_adapters(checkpoint: Checkpoint, device: str) -> str:
    """Why vLLM cannot serve adapters of this model here; empty where it can."""
    from anatomy.models.block_tensors import has_experts  # here, because it imports torch

    if checkpoint.config.get("model_type") == TRANSPOSED:
        return "vLLM's class of GPT-2 takes no adapters"
    if checkpoint.config.get("model_type") in SEEING:
        return "nobody tried adapters of the language model inside one that sees"
    if device == "cpu" and has_experts(checkpoint):
        return "with adapters on, vLLM computes a mixture of experts by Triton kernels that its CPU build lacks"
    return ""


def refuse_without_eyes(checkpoint: Checkpoint) -> None:
    """Refuse a model that sees where vLLM cannot open its class (``ConfigError``), whatever it is asked about."""
    if checkpoint.config.get("model_type") in SEEING and find_spec("torchvision") is None:
        raise ConfigError(
            found=f"a model that sees ({checkpoint.config['model_type']}), and no torchvision",
            expected="torchvision, without which vLLM does not open its class",
            where=str(checkpoint.folder),
            remedy="study a checkpoint of the language model alone; the library reads, edits and exports this one too "
            "(anatomy.models.loading, anatomy.interventions), but a run asks vLLM",
        )


def refuse_many_gpus(gpus: int, what: str) -> None:
    """Refuse what needs the engine's module in this process where several GPUs share the model (``ConfigError``)."""
    if gpus > 1:
        raise ConfigError(
            found=f"{what}, on a model that {gpus} GPUs share",
            expected="one GPU",
            where="the engine",
            remedy="each GPU's part of the model lies in a process of its own: ask for one GPU (resources.rules), or for a form "
            "of edit that is an adapter",
        )


def refuse_adapters(adapters: Sequence[Path | None], lacking: str, reloaded: bool, where: str) -> None:
    """Refuse adapters in a batch in which they would be answered wrongly (``ConfigError``).

    Args:
        adapters: of each prompt; None for the base.
        lacking: what to do where the engine has no adapters; empty where it has.
        reloaded: whether the engine's own weights are edited.
    """
    edited = sum(adapter is not None for adapter in adapters)
    if 0 < edited < len(adapters):
        raise ConfigError(
            found=f"{edited} adapter and {len(adapters) - edited} base prompts in one batch",
            expected="all base or all adapters",
            where="Engine.run",
            remedy="ask for them in two calls: mixed batches are silently wrong",
        )
    if edited and lacking:
        raise ConfigError(found="an adapter", expected="an engine with adapters", where=where, remedy=lacking)
    if edited and reloaded:
        raise ConfigError(
            found="an adapter on weights that are edited themselves",
            expected="one or the other",
            where="Engine.run",
            remedy="give both edits to Engine.under as one stack",
        )


def refuse_long_context(checkpoint: Checkpoint, max_model_len: int) -> None:
    """Refuse a context at which vLLM takes other LongRoPE frequencies than transformers (``ConfigError``)."""
    longest = longest_served_context(checkpoint.text_config)
    if longest is not None and max_model_len > longest:
        raise ConfigError(
            found=f"max_model_len {max_model_len} for a model with LongRoPE",
            expected=f"at most {longest}, its original context",
            where=str(checkpoint.folder),
            remedy="beyond it vLLM takes the long frequencies for every prompt, while directions are read under the short ones",
        )


def refuse_long_prompts(token_ids: Sequence[Sequence[int]], new_tokens: Sequence[int], max_model_len: int) -> None:
    """Refuse a batch with prompts that are empty or do not fit, naming the longest and counting them (``DataError``)."""
    wrong = [
        (len(ids), new, place)
        for place, (ids, new) in enumerate(zip(token_ids, new_tokens, strict=True))
        if not ids or len(ids) + new > max_model_len
    ]
    if wrong:
        length, new, place = max(wrong, key=lambda one: one[0])
        others = f", and {len(wrong) - 1} more such prompts: {[place for *_, place in wrong][:20]}" if len(wrong) > 1 else ""
        raise DataError(
            found=f"{length} prompt tokens and {new} new ones{others}",
            expected=f"at least 1 prompt token and together at most {max_model_len}; nothing is cut",
            where=f"prompt {place} of the batch of {len(token_ids)}",
            remedy="raise max_model_len, ask for fewer new tokens, or drop the prompts",
        )
