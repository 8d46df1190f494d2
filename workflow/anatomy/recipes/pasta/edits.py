"""Concrete edits of PASTA: what is taken out, where, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence

from anatomy.interventions.edits.spec import ControlReference, DirectionReference, HookSpec, LowRankSpec
from anatomy.models.sites import Positions, StreamSite
from anatomy.recipes.pasta.options import Pasta

ALL = 0
"""Position of the signature: the mean over every position that predicts the answer (``anatomy.models.activations.answers``)."""

FIRST = -1
"""Position where the first token of the answer is predicted."""

SIGNATURE = "signature"

WITHOUT_REFUSAL = "without_refusal"
"""The signature with the refusal direction of the same layer taken out. Ours: where the first token of an answer is predicted,
the signature points away from refusal, so that taking it out whole makes a model refuse what is harmless."""

SEARCHED = {
    "answer": (SIGNATURE, ALL),
    "first_token": (SIGNATURE, FIRST),
    "first_token_without_refusal": (WITHOUT_REFUSAL, FIRST),
    "same_text": ("same_text", ALL),
}
"""Directions that an operating point may take out: contrast and position."""

WRITES: tuple[StreamSite, ...] = ("attention_output", "mlp_output")
"""Sites of what the blocks write: what orthogonalised weights reach."""

CONTRASTS = ("template_free", "template_only", "same_text", "same_input", "null")
"""Contrasts beside the signature. template_free: aligned minus base, both continuing a plain document. template_only: the base
under the chat template minus the base on a document. same_text: each under its own prompt, both forced through the human
continuation. same_input: both forced through the same document. null: two base models of different seeds."""


def ablation(
    pasta: Pasta,
    layer: int,
    *,
    contrast: str = SIGNATURE,
    control: ControlReference | None = None,
    scale: float = 1.0,
    positions: Positions = "all",
    sites: Sequence[StreamSite] | None = None,
    position: int = ALL,
) -> HookSpec:
    """``h - c (h . v) v`` with v of one layer in every block (PASTA; Arditi et al. 2024, section 2.4)."""
    return {
        "method": "ablate",
        "direction": direction(layer, contrast, control, position),
        "strength": scale,
        "positions": positions,
        "sites": list(pasta.sites if sites is None else sites),
    }


def subtraction(
    layer: int, *, contrast: str = SIGNATURE, scale: float = 1.0, positions: Positions = "all", position: int = ALL
) -> HookSpec:
    """``h - c (m_aligned - m_base)`` at the input of one block: the difference in means taken back. Ours."""
    return {
        "method": "add",
        "direction": direction(layer, contrast, None, position),
        "strength": scale,
        "sign": -1,
        "positions": positions,
    }


def direction(
    layer: int, contrast: str = SIGNATURE, control: ControlReference | None = None, position: int = ALL
) -> DirectionReference:
    """Reference to a direction, as ``anatomy.stages.model_directions`` reads it."""
    return {"contrast": contrast, "position": position, "layer": layer, "control": None if control is None else list(control)}


def own_ablation(layers: int) -> HookSpec:
    """At the output of every block that layer's own vector is taken out, all blocks at once."""
    return {"method": "ablate_own", "direction": direction(layers), "strength": 1.0, "positions": "all"}


def clamp(layer: int) -> HookSpec:
    """The projection on v moved to the base model's mean, from the layer on. Ours."""
    return {"method": "clamp", "direction": direction(layer), "strength": 1.0, "positions": "all", "sites": ["block_output"]}


def orthogonalised_weights(layer: int) -> LowRankSpec:
    """Output matrices of every block made orthogonal to v: ablation of what attention and MLP write, as an edit of weights."""
    return {"method": "orthogonalize", "direction": direction(layer), "sites": ["o_proj", "down_proj"]}
