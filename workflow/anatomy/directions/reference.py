"""A direction as a spec names it, made a vector."""

from collections.abc import Mapping

from jaxtyping import Float32, Float64
from torch import Tensor

from anatomy.directions.candidates import Directions, unit_vector
from anatomy.directions.controls import covariance_matched, isotropic
from anatomy.errors import EditError

CONTROLS = ("isotropic", "covariance", "shuffled")


def resolve_direction(
    reference: Mapping,
    directions: Directions,
    *,
    covariances: Mapping[int, Float64[Tensor, "d_model d_model"]] | None = None,
    shuffled: Mapping[int, Directions] | None = None,
) -> Float32[Tensor, "d_model"]:
    """Unit vector of ``{"position": p, "layer": l, "control": null}`` or of a control at that place.

    Args:
        reference: ``control`` is null for the direction itself, else ``{"kind": one of CONTROLS, "seed": n}``.
        directions: candidates of the contrast.
        covariances: pooled covariance by layer, for ``covariance`` controls.
        shuffled: relabelled directions by seed, for ``shuffled`` controls.

    Raises:
        EditError: an unknown kind of control, or one whose material was not given.
        NumericsError: zero norm.
    """
    position, layer, control = reference["position"], reference["layer"], reference.get("control")
    if control is None:
        return directions.unit(position, layer)
    kind, seed = control["kind"], control["seed"]
    where = f"{kind} control, seed {seed}, position {position}, layer {layer}"
    if kind == "isotropic":
        return isotropic(directions.vectors.shape[-1], seed)
    if kind == "covariance" and covariances and layer in covariances:
        return covariance_matched(covariances[layer], seed)
    if kind == "shuffled" and shuffled and seed in shuffled:
        return unit_vector(shuffled[seed].vector(position, layer), where)
    raise EditError(
        found=f"control {dict(control)}", expected=f"a kind of {list(CONTROLS)} whose material was extracted",
        where=where, remedy="extract the covariance of this layer or the relabelling of this seed",
    )  # fmt: skip
