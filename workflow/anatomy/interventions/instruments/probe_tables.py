"""What probes read at each layer and position, prompt by prompt, and how well that tells the two kinds of prompt apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from anatomy.errors import NumericsError
from anatomy.interventions.instruments.probes import (
    Labels,
    bag_of_words,
    difference_of_means,
    equal_lengths,
    folds_of,
    held_out_scores,
    probes,
    shuffled,
    with_their_kinds,
)
from anatomy.statistics.several_separations import auroc_intervals


def probe_table(
    streams: Float[ndarray, "layer prompt d_model"],
    y: Labels,
    groups: ndarray,
    ids: Sequence[str],
    texts: Sequence[str],
    lengths: ndarray,
    kinds: Sequence[str],
    *,
    few: int,
    seed: int,
) -> pd.DataFrame:
    """Held-out scores: columns ``id, group, label, probe, layer, control, score``.

    ``control``: empty, ``shuffled`` (labels), ``equal_length`` (prompts of equal length alone), ``unseen_kind`` (read by probes
    that saw no prompt of its kind; their ``group`` is all that was left out together). The last two are left out where too few
    prompts or kinds allow them. A bag of words has layer -1.

    Args:
        kinds: of the prompts, such as their source and category.

    Raises:
        DataError: as ``folds_of``.
        NumericsError: streams that are NaN or infinite.
    """
    _require_finite(streams)
    parts = []

    def add(
        probe: str, layer: int, control: str, labels: ndarray, scores: ndarray, rows: ndarray, within: ndarray = groups
    ) -> None:
        names = {"id": [ids[row] for row in rows], "group": within[rows], "label": labels, "score": scores}
        parts.append(pd.DataFrame(names).assign(probe=probe, layer=layer, control=control))

    everyone, dealt, alike = np.arange(len(y)), shuffled(y, groups, seed), equal_lengths(lengths, y, seed)
    whole = with_their_kinds(groups, kinds)
    fair = len(alike) and _several(y[alike], groups[alike])
    coarse = _several(y, whole) and len(np.unique(whole)) < len(np.unique(groups))
    unseen = folds_of(y, whole) if coarse else []
    own, mixed = folds_of(y, groups), folds_of(dealt, groups)
    even = folds_of(y[alike], groups[alike]) if fair else []
    for layer, x in enumerate(streams):
        for name, fit in probes(few).items():
            add(name, layer, "", y, held_out_scores(fit, x, y, own), everyone)
            add(name, layer, "shuffled", dealt, held_out_scores(fit, x, dealt, mixed), everyone)
            if fair:
                add(name, layer, "equal_length", y[alike], held_out_scores(fit, x[alike], y[alike], even), alike)
            if coarse:
                add(name, layer, "unseen_kind", y, held_out_scores(fit, x, y, unseen), everyone, whole)
    add("bag_of_words", -1, "", y, bag_of_words(texts, y, groups), everyone)
    return pd.concat(parts, ignore_index=True)


def place_table(
    streams: Float[ndarray, "position layer prompt d_model"],
    positions: Sequence[int],
    y: Labels,
    groups: ndarray,
    ids: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Held-out scores of the difference of means at every position and layer.

    Args:
        positions: of the streams, counted from the end of the prompt.

    Returns:
        Columns ``id, group, label, position, layer, control, score``; ``control``: empty, or ``shuffled`` (labels).

    Raises:
        DataError, NumericsError: as ``probe_table``.
    """
    for by_layer in streams:
        _require_finite(by_layer)
    parts = []
    for control, labels in (("", y), ("shuffled", shuffled(y, groups, seed))):
        folds = folds_of(labels, groups)
        for position, by_layer in zip(positions, streams, strict=True):
            for layer, x in enumerate(by_layer):
                scores = held_out_scores(difference_of_means, x, labels, folds)
                rows = pd.DataFrame({"id": list(ids), "group": groups, "label": labels, "score": scores})
                parts.append(rows.assign(position=position, layer=layer, control=control))
    return pd.concat(parts, ignore_index=True)


def auroc_table(scores: pd.DataFrame, keys: Sequence[str], *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """AUROC of each probe on groups that it has not seen, with its interval over groups of both kinds of prompts.

    Args:
        scores: held-out scores (``probe_table``, ``place_table``).
        keys: columns that say which probe, layer and control it is.

    Returns:
        The keys' columns and ``auroc, low, high, n, groups``, the last two of prompts and of their groups.
    """
    parts = [(key, part.sort_values("id")) for key, part in scores.groupby(list(keys), sort=False)]
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for row, (_, part) in enumerate(parts):
        alike.setdefault((tuple(part["id"]), tuple(part["group"])), []).append(row)
    found: dict[int, tuple[object, ...]] = {}
    for rows in alike.values():
        score = np.stack([parts[row][1]["score"].to_numpy(float) for row in rows])
        label = np.stack([parts[row][1]["label"].to_numpy(bool) for row in rows])
        groups = parts[rows[0]][1]["group"].to_numpy(object)
        several = auroc_intervals(score, label, groups, confidence=confidence, seed=seed, resamples=resamples)
        for row, got in zip(rows, several, strict=True):
            found[row] = (*parts[row][0], got.estimate, got.low, got.high, got.n, got.clusters)
    return pd.DataFrame([found[row] for row in range(len(parts))], columns=[*keys, "auroc", "low", "high", "n", "groups"])


def _several(y: Labels, groups: ndarray) -> bool:
    """Whether each class has at least two groups."""
    return min(len(np.unique(groups[y == side])) for side in (True, False)) >= 2


def _require_finite(streams: Float[ndarray, "layer prompt d_model"]) -> None:
    for layer, x in enumerate(streams):
        if broken := int((~np.isfinite(x)).any(1).sum()):
            raise NumericsError(
                found=f"NaN or infinity in the streams of {broken} of {len(x)} prompts at layer {layer}",
                expected="finite numbers",
                where="prompts of a probe",
                remedy="load the model in float32 or bfloat16 (models.<id>.dtype)",
            )
