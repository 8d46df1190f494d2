"""Low-rank edits of weight matrices as data: factors by matrix name, and a card that says what they are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.card import EditCard, measure
from anatomy.interventions.edits.inventory import dense_shapes, has_post_norms
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import is_embedding, stored_transposed
from anatomy.models.writers import Writer

Factors = tuple[Float32[Tensor, "rank _"], Float32[Tensor, "_ rank"]]
"""(A [rank, d_in], B [d_model, rank]) of ``W' = W + B A``; an embedding counts as its transpose, d_in = vocabulary."""


@dataclass(frozen=True)
class LowRankEdit:
    """Factors of an edit and its card.

    Args:
        biases: what is added to the bias beside a matrix, by the matrix' name; none but where a formula is about all that is
            written (``orthogonalize``), and none that is zero.

    Raises:
        EditError: the matrices with factors are not the ones the card expects.
    """

    factors: dict[str, Factors]
    card: EditCard
    biases: dict[str, Float32[Tensor, " d_model"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found, expected = set(self.factors), set(self.card.expected)
        if found != expected:
            raise EditError(
                found=f"factors for {len(found)} matrices; first difference {min(found ^ expected)}",
                expected=f"exactly the {len(expected)} matrices of the inventory",
                where=f"edit {self.card.spec}",
            )

    @property
    def rank(self) -> int:
        """Rank of each matrix' edit (``EditError`` where the card has none)."""
        if self.card.rank is None:
            raise EditError(found="a card without a rank", expected="the rank of its factors", where=f"edit {self.card.spec}")
        return self.card.rank

    def digest(self) -> str:
        """SHA-256 of the model digest and of every factor's name, shape and fp32 bytes."""
        total = hashlib.sha256(self.card.model_digest.encode())
        for name in sorted(self.factors):
            for factor in self.factors[name]:
                total.update(f"\0{name}\0{tuple(factor.shape)}\0".encode())
                total.update(factor.contiguous().numpy().tobytes())
        for name in sorted(self.biases):
            total.update(f"\0{name}.bias\0".encode())
            total.update(self.biases[name].contiguous().numpy().tobytes())
        return total.hexdigest()

    def delta(self, name: str) -> Float32[Tensor, "d_model d_in"]:
        """``Delta = B A`` of one matrix, dense."""
        a, b = self.factors[name]
        return b @ a

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the checkpoint's tensors that it changes."""
        return (*(f"{name}.weight" for name in self.factors), *(f"{name}.bias" for name in self.biases))

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape that a tensor must have, as stored."""
        name, _, kind = tensor.rpartition(".")
        if kind == "bias":
            return tuple(self.biases[name].shape)
        a, b = self.factors[name]
        return (a.shape[1], b.shape[0]) if stored_transposed(name) else (b.shape[0], a.shape[1])

    def edited(self, tensor: str, weight: Float32[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """``W + B A`` of one matrix, as stored; or its bias with what is added to it."""
        name, _, kind = tensor.rpartition(".")
        if kind == "bias":
            return weight + self.biases[name].to(weight.device)
        delta = self.delta(name).to(weight.device)
        return weight + (delta.T if stored_transposed(name) else delta)


def stack_factors(edits: Sequence[LowRankEdit]) -> dict[str, Factors]:
    """Several edits as one of higher rank: their factors side by side, zeros where an edit leaves a matrix alone.

    ``W + B1 A1 + B2 A2 = W + [B1 B2] [A1; A2]``; every matrix gets the same rank, the sum over the edits.
    """
    ranks = [edit.card.rank for edit in edits]
    found: dict[str, Factors] = {}
    for name in dict.fromkeys(name for edit in edits for name in edit.factors):
        a, b = next(edit.factors[name] for edit in edits if name in edit.factors)
        nothing = [(torch.zeros(rank, a.shape[1]), torch.zeros(b.shape[0], rank)) for rank in ranks]
        parts = [edit.factors.get(name, zeros) for edit, zeros in zip(edits, nothing, strict=True)]
        found[name] = torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts], dim=1)
    return found


def writer_matrix(checkpoint: Checkpoint, writer: Writer) -> Float32[Tensor, "d_model d_in"]:
    """A writer's W in fp32, as it multiplies, whichever way it is stored."""
    return _matrix(checkpoint, writer.name)


def _matrix(checkpoint: Checkpoint, name: str) -> Float32[Tensor, "d_out d_in"]:
    weight = checkpoint.tensor(f"{name}.weight").float()
    return weight.T.contiguous() if stored_transposed(name) else weight


def oriented_shape(checkpoint: Checkpoint, name: str) -> tuple[int, int]:
    """(d_out, d_in) of a matrix, whichever way it is stored; an embedding's d_in is its vocabulary."""
    rows, columns = checkpoint.shape(f"{name}.weight")
    return (columns, rows) if stored_transposed(name) else (rows, columns)


def low_rank_edit(
    spec: MadeBy,
    intent: Intent,
    checkpoint: Checkpoint,
    factors: Mapping[str, tuple[Float[Tensor, "_ _"], Float[Tensor, "_ _"]]],
    expected: Sequence[str],
) -> LowRankEdit:
    """A low-rank edit of any dense matrices with its card, as training makes one.

    Args:
        spec: what made it, for the card.
        factors: (A [rank, d_in], B [d_out, rank]) by matrix, ``model.layers.3.self_attn.q_proj``, of one rank; scaling taken in;
            kept in fp32.
        expected: every matrix that the method meant to edit; each must have its factors, possibly of no change.

    Raises:
        EditError: a matrix that is no floating-point matrix of a block nor the embedding, or one of fused experts; factors of
            another shape, or of several ranks; as ``LowRankEdit``.
        NumericsError: NaN or infinity, or the whole edit changes nothing.
    """
    dense_shapes(checkpoint, [name for name in factors if not is_embedding(name)])
    held = {
        name: (a.detach().float().cpu().contiguous(), b.detach().float().cpu().contiguous()) for name, (a, b) in factors.items()
    }
    ranks = {rank for a, b in held.values() for rank in (a.shape[0], b.shape[1])}
    for name, (a, b) in held.items():
        if len(ranks) != 1 or (b.shape[0], a.shape[1]) != oriented_shape(checkpoint, name):
            raise EditError(
                found=f"{name} with factors {tuple(b.shape)} x {tuple(a.shape)}, ranks {sorted(ranks)} over all matrices",
                expected=f"a product of shape {oriented_shape(checkpoint, name)}, and one rank",
                where=str(checkpoint.folder),
                remedy="train on this model's own matrices, and pad factors of lower rank with zeros",
            )
    post_norm = has_post_norms(checkpoint)
    return LowRankEdit(held, describe(spec, intent, checkpoint, expected, held, post_norm=post_norm, unchanged=True))


def describe(
    spec: MadeBy,
    edit_intent: Intent,
    checkpoint: Checkpoint,
    expected: Sequence[str],
    factors: Mapping[str, Factors],
    *,
    post_norm: bool,
    unchanged: bool = False,
) -> EditCard:
    """Measure an edit against the weights it is for.

    Args:
        expected: names of the matrices that the spec asks for.
        post_norm: whether a norm follows one of them.
        unchanged: whether single matrices may stay as they are.

    Raises:
        NumericsError: NaN or infinity in a factor, or an edit of zero norm.
    """
    changes = ((name, _matrix(checkpoint, name), b @ a) for name, (a, b) in factors.items())
    sizes = measure(changes, unchanged=unchanged)
    first_a = next(iter(factors.values()))[0]
    return EditCard(
        spec=spec,
        intent=edit_intent,
        model_digest=checkpoint.digest(),
        expected=tuple(expected),
        edited=tuple(factors),
        rank=first_a.shape[0],
        parameters=sum(a.numel() + b.numel() for a, b in factors.values()),
        **vars(sizes),
        post_norm=post_norm,
    )
