"""Hook edits: measurements on activations, built from the same specs as weight edits."""

import torch

from anatomy.errors import EditError
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.edits.spec import HookSpec, check_spec, hook_spec
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention
from anatomy.models.activations.means import Moments
from anatomy.models.sites import Positions


def build_intervention(
    spec: HookSpec, directions: Directions, num_layers: int, *, harmless: Moments | None = None
) -> Intervention:
    """The intervention that a concrete spec describes.

    With r the direction at the spec's position and layer l, r_hat its unit vector:

    - ``ablate``: ``x - c r_hat r_hat^T x`` at block input, attention output and MLP output of all blocks, or at the spec's
      ``sites`` (Arditi et al. 2024, section 2.4; c is ``strength``, 1 where not given);
    - ``ablate_own``: the same at the output of every block with that place's own direction, all blocks at once: r_hat of
      layer l + 1 behind block l (PASTA's per-layer form); the spec's layer does not count;
    - ``clamp``: at the input of every block from l on, the projection on r_hat is moved (by the share c) to the mean
      projection of harmless prompts (of the base model, for a signature) at that block and the spec's position. With
      ``sites: [block_output]`` at the output of every block from l - 1 on, which adds the last layer. Ours: where benign is
      not zero, ablation is not neutral;
    - ``add``: ``x + g c r`` at the input of block l, r not normalised, g the sign.

    ``positions`` is ``all`` where not given.

    Raises:
        EditError: a spec without meaning, no means to aim at for a clamp.
        NumericsError: zero norm.
    """
    check_spec(spec)
    spec = hook_spec(spec)
    position, layer = spec["direction"]["position"], spec["direction"]["layer"]
    positions, scale = spec.get("positions", "all"), spec.get("strength", 1.0)
    if spec["method"] == "ablate_own":
        own = torch.stack([directions.unit(position, block + 1) for block in range(num_layers)])[:, None]
        return Intervention("ablate", tuple(range(num_layers)), own, None, scale, ("block_output",), positions)
    unit = directions.unit(position, layer)
    if spec["method"] == "ablate":
        layers, sites = tuple(range(num_layers)), tuple(spec.get("sites", SITES))
        return Intervention("ablate", layers, unit.expand(num_layers, 1, -1), None, scale, sites, positions)
    if spec["method"] == "add":
        vector = directions.vector(position, layer).view(1, 1, -1)
        return Intervention("add", (layer,), vector, None, scale * spec.get("sign", 1), ("block_input",), positions)
    return _clamp(spec, unit, num_layers, harmless, positions, scale)


def _clamp(
    spec: HookSpec, unit: torch.Tensor, num_layers: int, target: Moments | None, positions: Positions, scale: float
) -> Intervention:
    position, layer = spec["direction"]["position"], spec["direction"]["layer"]
    sites = tuple(spec.get("sites", ("block_input",)))
    if sites not in (("block_input",), ("block_output",)):
        raise EditError(
            found=f"sites {list(sites)}",
            expected="block_input or block_output",
            where=f"edit spec {spec}",
            remedy="means are known of the stream, not of what a sublayer writes",
        )
    behind = int(sites == ("block_output",))  # a block's output is the stream one layer on
    layers = tuple(range(layer, num_layers + behind))
    if not layers or layer < behind:
        raise EditError(
            found=f"layer {layer} of {num_layers} at {sites[0]}",
            expected="a place where some block meets the stream",
            where=f"edit spec {spec}",
            remedy="clamp the last layer with sites: [block_output]",
        )
    targets = _mean_projections(target, unit, position, layers)
    blocks = tuple(place - behind for place in layers)
    return Intervention("clamp", blocks, unit.expand(len(blocks), 1, -1), targets, scale, sites, positions)


def _mean_projections(harmless: Moments | None, unit: torch.Tensor, position: int, layers: tuple[int, ...]) -> torch.Tensor:
    if harmless is None or position not in harmless.positions or not set(layers) <= set(harmless.layers):
        raise EditError(
            found="no harmless means" if harmless is None else f"means at {harmless.positions} x {harmless.layers}",
            expected=f"harmless means at position {position} and layers {list(layers)}",
            where="clamp",
            remedy="extract all layers of the harmless set",
        )
    rows = [harmless.layers.index(layer) for layer in layers]
    means = harmless.mean[harmless.positions.index(position), rows]
    return (means @ unit.double())[:, None].float()
