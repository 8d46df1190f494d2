"""What the spec of an edit may say, and what the edit is meant to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from anatomy.errors import EditError
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE

Edit = dict[str, Any]
"""Plain JSON: a concrete edit, or the place it takes in a search (see workflow/README.md)."""

Intent = Literal["amplify", "measure"]

LOW_RANK_METHODS = ("row_mean", "projection", "mean_input", "orthogonalize")
HOOK_METHODS = ("ablate", "ablate_own", "clamp", "add")
STREAM_SITES = ("block_input", "attention_output", "mlp_output", "block_output")
"""Where hooks meet the residual stream (``anatomy.models.activations.hooks.Site``)."""

REMOVING = ("orthogonalize", "ablate", "ablate_own", "clamp")
"""Methods that take a direction away; all but the scaled ones need no strength."""

SAVED = "saved"
"""An edit that an earlier stage made and wrote (``edits.saved``): a mask, a head, a trained adapter."""

_KEYS = {"method", "direction", "strength", "sign"}
_LOW_RANK_KEYS = _KEYS | {"alpha", "sites", "layers"}
_HOOK_KEYS = _KEYS | {"positions", "sites"}
_SAVED_KEYS = {"method", "folder", "digest", "intent"}


def intent(spec: Mapping) -> Intent:
    """``measure`` for whatever takes a direction away or turns it round, ``amplify`` otherwise.

    Edits to measure are shown as numbers only: their factors are not kept and never exported. A saved edit says itself, and
    its card must agree.
    """
    if spec["method"] == SAVED:
        return spec["intent"]
    return "measure" if spec["method"] in REMOVING or spec.get("sign", 1) < 0 else "amplify"


def stack_intent(specs: Sequence[Mapping]) -> Intent:
    """What a stack of edits is meant to do: one edit to measure makes the whole stack one; no edit at all lowers nothing.

    Every rule that asks what edits are meant for (texts that are kept, weights that leave) asks here.
    """
    return "measure" if any(intent(spec) == "measure" for spec in specs) else "amplify"


def acts_on_activations(spec: Mapping) -> bool:
    """Whether a concrete edit is made by hooks on activations, and not by other weights."""
    return spec["method"] in HOOK_METHODS


def check_spec(spec: Mapping) -> None:
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


def _check_strength(spec: Mapping, where: str) -> None:
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
