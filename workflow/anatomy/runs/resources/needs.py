"""What a job needs: the numbers of its rule for the organism and without a model, formulas for models of your own.

Memory follows ``anatomy.models.memory``. Minutes are time limits, not predictions: generous, roughly linear in the parameters,
and not measured on GPUs. A job that meets its limit keeps its shards, and its next attempt has more.
"""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.costs.job_kind import RuleNeed
from anatomy.errors import ConfigError
from anatomy.models.memory import GPU_SHARE, Backend, MemoryEstimate, estimate_memory, say_bytes, say_count
from anatomy.models.size import ModelSize

MIB, GIB = 2**20, 2**30

LIBRARIES: dict[Backend, int] = {"transformers": 3 * GIB // 2, "vllm": 5 * GIB // 2}
"""Main memory of a process that has imported its libraries and read its prompts, before any weight."""

CUDA = 4 * GIB
"""Main memory beside that where a GPU computes: CUDA contexts, pinned buffers, one shard being read."""

CACHED = 16
"""Sequences of full length that the key-value cache of a GPU should hold at once; fewer would leave it idle."""


@dataclass(frozen=True)
class Load:
    """How a model is run.

    Attributes:
        dtype: number format.
        length: tokens of a prompt and its answer, at most.
        sequences: prompts that transformers answers in one batch.
        step_tokens: tokens of one forward pass in transformers.
        kv_cache_bytes: cache of vLLM's CPU backend.
        in_4bit: whether it is rounded to four bits as it is read; one GPU then holds all of it.
    """

    dtype: str
    length: int
    sequences: int
    step_tokens: int
    kv_cache_bytes: int
    in_4bit: bool = False


def gpus_for(size: ModelSize, load: Load, gpu_bytes: int, gpus_per_node: int, where: str) -> int:
    """Tensor-parallel size: the smallest power of two over which weights, cache and activations spread.

    Weights, cache and activations are divided evenly; the overhead is each GPU's own. vLLM wants the number of attention heads
    to be a multiple of it, which published models of that size are for powers of two.

    Raises:
        ConfigError: one machine has not so many.
    """
    need = estimate_memory(size, "vllm", load.dtype, sequences=CACHED, length=load.length)
    gpus = 1
    while need.overhead + (need.total - need.overhead) / gpus > GPU_SHARE * gpu_bytes:
        gpus *= 2
        if gpus > gpus_per_node:
            raise _too_large(size, load, need, gpu_bytes, gpus_per_node, where)
    return gpus


def gpus_to_spread(size: ModelSize, load: Load, gpu_bytes: int, gpus_per_node: int, where: str) -> int:
    """GPUs over which transformers' blocks spread (``anatomy.models.spreading``): the fewest that hold weights and activations.

    Blocks are dealt out whole, so that a GPU may have half a block more than its share; activations and logits are the first
    one's own, and each block's GPU passes as large ones.

    Raises:
        ConfigError: one machine has not so many.
    """
    need = estimate_memory(
        size, "transformers", load.dtype, length=load.length, step_tokens=load.step_tokens, in_4bit=load.in_4bit
    )
    if load.in_4bit:
        gpus_per_node = 1
    own = need.overhead + need.least / size.layers / 2
    gpus = 1
    if need.least > gpu_bytes:
        own += need.activations
        while own + need.least / gpus > gpu_bytes:
            gpus += 1
            if gpus > gpus_per_node:
                raise _too_large(size, load, need, gpu_bytes, gpus_per_node, where)
    return gpus


def _too_large(size: ModelSize, load: Load, need: MemoryEstimate, gpu_bytes: int, gpus_per_node: int, where: str) -> ConfigError:
    in_words = f"{load.dtype}, blocks in four bits," if load.in_4bit else load.dtype
    return ConfigError(
        found=f"{say_count(size.parameters)} parameters, {say_bytes(need.total)} in {in_words} with their cache",
        expected=f"at most {gpus_per_node} GPUs of {say_bytes(gpu_bytes)}",
        where=where,
        remedy="set resources.gpu_memory_gib and resources.gpus_per_node to the machine's, or override gpu for the model",
    )


def require_one_gpu(size: ModelSize, load: Load, gpu_bytes: int, where: str) -> None:
    """Refuse a model that one GPU does not hold, for stages that read or change more than the stream between blocks.

    Raises:
        ConfigError: weights, and the cache of one prompt, are larger than a GPU.
    """
    need = estimate_memory(size, "transformers", load.dtype, length=load.length).least
    if need > gpu_bytes:
        raise ConfigError(
            found=f"{say_count(size.parameters)} parameters, {say_bytes(need)} in {load.dtype}",
            expected=f"at most one GPU of {say_bytes(gpu_bytes)}",
            where=where,
            remedy="this stage does not spread a model over GPUs: use larger ones (resources.gpu_memory_gib)",
        )


def memory_mb(size: ModelSize, backend: Backend, load: Load, *, gpu: bool) -> int:
    """Main memory of a job with a model of your own, in MB (2^20 bytes, as SLURM counts).

    On a CPU everything lies there. With a GPU the weights pass through main memory once (transformers reads all of them before
    it moves them; vLLM's workers map the files), and CUDA has its own part.
    """
    if backend == "vllm":
        estimate = estimate_memory(size, backend, load.dtype, length=load.length, kv_cache_bytes=load.kv_cache_bytes)
    else:
        estimate = estimate_memory(
            size,
            backend,
            load.dtype,
            sequences=load.sequences,
            length=load.length,
            step_tokens=max(load.step_tokens, load.sequences * load.length),
            in_4bit=load.in_4bit,
        )
    need = estimate.weights + CUDA if gpu else estimate.total
    return (need + LIBRARIES[backend]) // MIB


def minutes(need: RuleNeed, size: ModelSize) -> int:
    """Time limit of a job with a model of your own."""
    return need.minutes + round(need.minutes_per_billion * size.parameters / 1e9)
