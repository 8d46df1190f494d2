"""What the spec of an edit may say, and what the edit is meant to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypedDict, TypeGuard, final, get_args

from anatomy.errors import EditError
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE, Positions, StreamSite, WriterSite

Intent = Literal["amplify", "control", "measure"]
"""What an edit is meant for: to amplify what a model has; to stand beside such an edit as its control, which is kept where it was
made and never leaves; or to measure what goes when a direction is taken away, of which numbers alone are kept.
"""

LowRankMethod = Literal["row_mean", "projection", "mean_input", "orthogonalize"]
HookMethod = Literal["ablate", "ablate_own", "clamp", "add"]

LOW_RANK_METHODS: tuple[LowRankMethod, ...] = get_args(LowRankMethod)
HOOK_METHODS: tuple[HookMethod, ...] = get_args(HookMethod)
STREAM_SITES: tuple[StreamSite, ...] = get_args(StreamSite)

REMOVING = ("orthogonalize", "ablate", "ablate_own", "clamp")
"""Methods that take a direction away; all but the scaled ones need no strength."""

SAVED: Final = "saved"
"""An edit that an earlier stage made and wrote (``edits.saved``): a mask, a head, a trained adapter."""

Sign = Literal[1, -1]

ControlReference = list[str | int]
"""A control direction as JSON holds it: the family, and which draw of it."""


class DirectionReference(TypedDict):
    """One direction of an extraction (``anatomy.stages.model_directions``).

    Attributes:
        contrast: what it was extracted under.
        position: counted from the end of the rendered prompt, -1 its last token; 0 for the mean over an answer.
        layer: l is the input of block l, 0-based.
        control: None for the direction itself.
    """

    contrast: str
    position: int
    layer: int
    control: ControlReference | None


@final
class LowRankSpec(TypedDict):
    """An edit of weights along a direction (``edits.rank_one.build_edit`` says what each method and number means)."""

    method: LowRankMethod
    direction: DirectionReference
    strength: NotRequired[float]
    alpha: NotRequired[float]
    sign: NotRequired[Sign]
    sites: NotRequired[list[WriterSite]]
    layers: NotRequired[list[int]]


@final
class HookSpec(TypedDict):
    """An edit of activations along a direction (``edits.hook.build_intervention``)."""

    method: HookMethod
    direction: DirectionReference
    strength: NotRequired[float]
    sign: NotRequired[Sign]
    positions: NotRequired[Positions]
    sites: NotRequired[list[StreamSite]]


@final
class SavedSpec(TypedDict):
    """An edit that lies in a folder (``edits.saved``): what it contains, and what its card must say that it is meant for."""

    method: Literal["saved"]
    folder: str
    digest: str
    intent: Intent


Edit = LowRankSpec | HookSpec | SavedSpec
"""A concrete edit: plain JSON, told apart by ``method``."""


MadeBy = Mapping[str, Any]
"""What made an edit, for its card: the concrete spec, or a maker's own words."""

_LOW_RANK_KEYS, _HOOK_KEYS, _SAVED_KEYS = (set(spec.__annotations__) for spec in (LowRankSpec, HookSpec, SavedSpec))


def drawn_control(control: ControlReference) -> tuple[str, int]:
    """The family of a control direction, and which draw of it."""
    family, number = control
    return str(family), int(number)


def intent(spec: MadeBy) -> Intent:
    """``measure`` for whatever takes a direction away or turns it round, ``amplify`` otherwise.

    Edits to measure are shown as numbers only: their factors are not kept and never exported. A saved edit says itself, and
    its card must agree.
    """
    if spec["method"] == SAVED:
        return spec["intent"]
    return "measure" if spec["method"] in REMOVING or spec.get("sign", 1) < 0 else "amplify"


def stack_intent(specs: Sequence[Edit]) -> Intent:
    """What a stack of edits is meant to do: one edit to measure makes the whole stack one, else one control does; no edit at
    all lowers nothing.

    Every rule that asks what edits are meant for (texts that are kept, weights that leave) asks here.
    """
    return max((intent(spec) for spec in specs), key=get_args(Intent).index, default="amplify")


def acts_on_activations(spec: Edit) -> TypeGuard[HookSpec]:
    """Whether a concrete edit is made by hooks on activations, and not by other weights."""
    return spec["method"] in HOOK_METHODS


def low_rank_spec(spec: Edit) -> LowRankSpec:
    """The spec of an edit that low-rank factors can make.

    Raises:
        EditError: it is made another way.
    """
    if spec["method"] in LOW_RANK_METHODS:
        return spec
    raise EditError(
        found=f"method {spec['method']!r}",
        expected=f"one of {list(LOW_RANK_METHODS)}",
        where=f"edit spec {dict(spec)}",
        remedy="hook edits are built by anatomy.interventions.edits.hook",
    )


def hook_spec(spec: Edit) -> HookSpec:
    """The spec of an edit that hooks on activations can make.

    Raises:
        EditError: it is made another way.
    """
    if spec["method"] in HOOK_METHODS:
        return spec
    raise EditError(
        found=f"method {spec['method']!r}",
        expected=f"one of {list(HOOK_METHODS)}",
        where=f"edit spec {dict(spec)}",
        remedy="weight edits are built by anatomy.interventions.edits.rank_one",
    )


def check_spec(spec: Mapping[str, Any]) -> None:
    """Refuse what no method can mean.

    Raises:
        EditError: unknown method, key, site or sign; no strength where one is needed, or zero.
    """
    method = spec.get("method")
    where = f"edit spec {dict(spec)}"
    if method == SAVED:
        if set(spec) != _SAVED_KEYS:
            raise EditError(found=f"keys {sorted(spec)}", expected=f"keys {sorted(_SAVED_KEYS)}", where=where)
        return
    if method not in LOW_RANK_METHODS + HOOK_METHODS:
        methods = [*LOW_RANK_METHODS, *HOOK_METHODS, SAVED]
        raise EditError(found=f"method {method!r}", expected=f"one of {methods}", where=where)
    allowed = _LOW_RANK_KEYS if method in LOW_RANK_METHODS else _HOOK_KEYS
    if unknown := sorted(set(spec) - allowed):
        raise EditError(found=f"keys {unknown}", expected=f"keys of {sorted(allowed)}", where=where)
    if spec.get("sign", 1) not in (1, -1):
        raise EditError(found=f"sign {spec['sign']}", expected="1 or -1", where=where)
    sites = (*BLOCK_SITES, EMBEDDING_SITE) if method in LOW_RANK_METHODS else STREAM_SITES
    if unknown := sorted(set(spec.get("sites", ())) - set(sites)):
        raise EditError(found=f"sites {unknown}", expected=f"of {list(sites)}", where=where)
    if method not in REMOVING:
        _check_strength(spec, where)


def _check_strength(spec: Mapping[str, Any], where: str) -> None:
    given = [key for key in ("strength", "alpha") if key in spec]
    if len(given) != 1 or (given == ["alpha"] and spec["method"] != "row_mean"):
        raise EditError(found=f"{given or 'no strength'}", expected="strength, or for row_mean alpha instead", where=where)
    if not spec[given[0]] > 0:
        raise EditError(
            found=f"{given[0]} {spec[given[0]]}",
            expected="a number above zero",
            where=where,
            remedy="sign: -1 turns an edit round",
        )
