"""One edit of each kind for any checkpoint, large enough to show in what a random model writes."""

import torch

from anatomy.interventions.edits.head import head_edit, head_matrix
from anatomy.interventions.edits.low_rank import low_rank_edit
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.models.checkpoint import Checkpoint

PRUNED = ("self_attn.q_proj", "mlp.gate_proj", "mlp.down_proj")
"""Matrices of each block that the sparse edit looks at: two of them fused with others in vLLM, one not."""


def low_rank(checkpoint: Checkpoint, seed: int = 0, strength: float = 1.5):
    direction = torch.randn(checkpoint.d_model, generator=torch.Generator().manual_seed(seed))
    spec = {"method": "projection", "strength": abs(strength), "sign": 1 if strength > 0 else -1}
    return build_edit(spec, checkpoint, torch.nn.functional.normalize(direction, dim=0))


def pruned(checkpoint: Checkpoint, share: float = 0.3, seed: int = 0, sites=PRUNED, stack: str = "model.layers"):
    """A share of the weights of some matrices set to zero, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    places = {}
    for layer in range(checkpoint.num_layers):
        for site in sites:
            name = f"{stack}.{layer}.{site}"
            count = checkpoint.tensor(f"{name}.weight").numel()
            indices = torch.randperm(count, generator=generator)[: int(share * count)].sort().values
            places[name] = indices, torch.zeros(len(indices))
    return sparse_edit({"method": "prune", "share": share, "seed": seed}, "amplify", checkpoint, places, list(places))


def head(checkpoint: Checkpoint, rank: int | None = None, seed: int = 0, scale: float = 0.3):
    """A residual of a share of the head's own size, dense or of low rank."""
    generator = torch.Generator().manual_seed(seed)
    weight = head_matrix(checkpoint)
    if rank is None:
        residual = scale * weight.std() * torch.randn(weight.shape, generator=generator)
    else:
        residual = (
            torch.randn(rank, weight.shape[1], generator=generator),
            scale * weight.std() / rank**0.5 * torch.randn(weight.shape[0], rank, generator=generator),
        )
    return head_edit({"method": "head", "rank": rank, "seed": seed}, "amplify", checkpoint, residual)


def trained(checkpoint: Checkpoint, rank: int = 2, seed: int = 0, scale: float = 0.4):
    """Factors of matrices that read the stream and of some that write to it, as training a LoRA adapter leaves them."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for layer in range(checkpoint.num_layers):
        for site in ("self_attn.q_proj", "mlp.down_proj"):
            name = f"model.layers.{layer}.{site}"
            rows, columns = checkpoint.shape(f"{name}.weight")
            a, b = torch.randn(rank, columns, generator=generator), torch.randn(rows, rank, generator=generator)
            factors[name] = a, scale * checkpoint.tensor(f"{name}.weight").float().std() * b / rank**0.5
    return low_rank_edit({"method": "trained", "seed": seed}, "amplify", checkpoint, factors, list(factors))


def every_kind(checkpoint: Checkpoint) -> dict[str, list]:
    """Name to a stack of edits; ``adapter`` is the only one that an engine for rank 1 serves as one."""
    one, other, sparse = low_rank(checkpoint), low_rank(checkpoint, seed=1, strength=-0.9), pruned(checkpoint)
    return {
        "adapter": [one],
        "stack of adapters": [one, other],
        "sparse": [sparse],
        "dense head": [head(checkpoint)],
        "low-rank head": [head(checkpoint, rank=4)],
        "trained adapter": [trained(checkpoint)],
        "sparse under low rank": [sparse, one, head(checkpoint, rank=4)],
    }
