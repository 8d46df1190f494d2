"""Hook edits: measurements on activations, built from the same specs as weight edits."""

import torch

from anatomy.activations.hooks import SITES
from anatomy.activations.interventions import Intervention
from anatomy.activations.means import Moments
from anatomy.directions.candidates import Directions
from anatomy.edits.spec import HOOK_METHODS, check_spec
from anatomy.errors import EditError


def build_intervention(
    spec: dict, directions: Directions, num_layers: int, *, harmless: Moments | None = None
) -> Intervention:
    """The intervention that a concrete spec describes.

    With r the direction at the spec's position and layer l, r_hat its unit vector:

    - ``ablate``: ``x - c r_hat r_hat^T x`` at block input, attention output and MLP output of all blocks (Arditi et al.
      2024, section 2.4; c is ``strength``, 1 where not given);
    - ``clamp``: at the input of every block from l on, the projection on r_hat is moved (by the share c) to the mean
      projection of harmless prompts at that block and the spec's position. Ours: where benign is not zero, ablation is
      not neutral;
    - ``add``: ``x + g c r`` at the input of block l, r not normalised, g the sign.

    ``positions`` is ``all`` where not given.

    Raises:
        EditError: a spec without meaning, no harmless means for a clamp.
        NumericsError: zero norm.
    """
    check_spec(spec)
    if spec["method"] not in HOOK_METHODS:
        raise EditError(
            found=f"method {spec['method']!r}", expected=f"one of {list(HOOK_METHODS)}", where=f"edit spec {spec}",
            remedy="weight edits are built by anatomy.edits.rosi",
        )  # fmt: skip
    position, layer = spec["direction"]["position"], spec["direction"]["layer"]
    unit, positions, scale = directions.unit(position, layer), spec.get("positions", "all"), spec.get("strength", 1.0)
    if spec["method"] == "ablate":
        layers = tuple(range(num_layers))
        return Intervention("ablate", layers, unit.expand(num_layers, 1, -1), None, scale, SITES, positions)
    if spec["method"] == "add":
        vector = directions.vector(position, layer).view(1, 1, -1)
        return Intervention("add", (layer,), vector, None, scale * spec.get("sign", 1), ("block_input",), positions)
    layers = tuple(range(layer, num_layers))
    targets = _mean_projections(harmless, unit, position, layers)
    return Intervention(
        "clamp", layers, unit.expand(len(layers), 1, -1), targets, scale, ("block_input",), positions
    )


def _mean_projections(
    harmless: Moments | None, unit: torch.Tensor, position: int, layers: tuple[int, ...]
) -> torch.Tensor:
    if harmless is None or position not in harmless.positions or not set(layers) <= set(harmless.layers):
        raise EditError(
            found="no harmless means" if harmless is None else f"means at {harmless.positions} x {harmless.layers}",
            expected=f"harmless means at position {position} and layers {list(layers)}", where="clamp",
            remedy="extract all layers of the harmless set",
        )  # fmt: skip
    rows = [harmless.layers.index(layer) for layer in layers]
    means = harmless.mean[harmless.positions.index(position), rows]
    return (means @ unit.double())[:, None].float()
