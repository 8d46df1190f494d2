"""What a model does under each of many masks, on one loaded model: weights are set to zero and put back, with proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import NumericsError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.weight_edit import WeightEdit
from anatomy.interventions.pruning.masks import pruning_edit, weights_in
from anatomy.interventions.pruning.ranking import Mask
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.pruning.stages.answering import VALUES, answers_of, judged
from anatomy.recipes.pruning.stages.mask_plans import UNEDITED
from anatomy.recipes.pruning.stages.moved_predictions import MOVED, Unmoved
from anatomy.recipes.pruning.stages.read_texts import NATS
from anatomy.serving.proof import checksums
from anatomy.stages.finished_parts import FinishedParts, computed

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}


class UnderEdits(NamedTuple):
    """What several edits do to a model.

    Attributes:
        values: verdicts on answers: columns ``mask, seen`` and ``answering.VALUES``.
        divergences: KL from the unedited model on harmless requests, ``moved_predictions.MOVED``; no row where it was not read.
        nats: how likely texts are under the unedited model and each edit, ``read_texts.NATS``; no row where none was read.
    """

    values: pd.DataFrame
    divergences: pd.DataFrame
    nats: pd.DataFrame


def under_masks(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    prompts: pd.DataFrame,
    masks: Iterable[tuple[str, Mask]],
    kinds: list[str],
    say: Callable[[str], None],
    *,
    unedited: bool = True,
    harmless: Unmoved | None = None,
    state: Path | None = None,
) -> UnderEdits:
    """``under_edits`` of every mask with weights.

    Args:
        masks: by name.
    """
    checkpoint = Checkpoint(loaded.folder)
    edits = [
        (name, partial(pruning_edit, {"mask": name}, "measure", checkpoint, mask)) for name, mask in masks if weights_in(mask)
    ]
    return under_edits(config, subject, loaded, prompts, edits, kinds, say, unedited=unedited, harmless=harmless, state=state)


def under_edits(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    prompts: pd.DataFrame,
    edits: Iterable[tuple[str, Callable[[], WeightEdit]]],
    kinds: list[str],
    say: Callable[[str], None],
    *,
    unedited: bool = True,
    harmless: Unmoved | None = None,
    state: Path | None = None,
) -> UnderEdits:
    """Verdicts on the answers of the unedited model and with every edit, one after the other. Texts are not kept.

    Args:
        edits: by name; each is made when its turn comes.
        unedited: whether the model is asked as it is, too.
        kinds: kinds of harm that were scored: ``seen``.
        harmless: what the unedited model predicts on harmless requests, and texts, where edits are held against it.
        state: folder of what edits did that a killed job was through with, which the caller removes; None keeps nothing.

    Raises:
        NumericsError: a weight is not again what it was after a mask.
    """
    finished = FinishedParts(state, computed(config, loaded, __name__, PINS))
    given = [prompts.astype(str).to_dict("list"), harmless is not None]
    before = checksums(loaded.model)
    several: list[tuple[str, Callable[[], WeightEdit] | None]] = [(UNEDITED, None)] if unedited else []
    several += list(edits)
    found, moved, read = [], [], []
    for name, made in counted(several, "masks", len(several)):
        edit = None if made is None else made()
        ask = partial(_answered, config, subject, loaded, prompts, edit, harmless)
        tables = finished.through(name, [None if edit is None else edit.digest(), given], ask)
        if edit is not None:
            require_reverted(before, checksums(loaded.model), name)
        if harmless is not None:
            moved += [] if edit is None else [tables["divergences"].assign(mask=name)]
            read.append(tables["nats"].assign(mask=name))
        found.append(tables["values"].assign(mask=name))
        means = tables["values"].groupby("ability")["value"].mean()
        say(f"{subject.id} {name}: " + ", ".join(f"{ability} {value:.2f}" for ability, value in means.items()))
    values = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["mask", *VALUES])
    divergences = pd.concat(moved, ignore_index=True) if moved else pd.DataFrame(columns=MOVED)
    nats = pd.concat(read, ignore_index=True) if read else pd.DataFrame(columns=NATS)
    seen = values["category"].isin(kinds)
    return UnderEdits(values.assign(seen=seen)[["mask", "seen", *VALUES]], divergences[MOVED], nats[NATS])


def _answered(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    prompts: pd.DataFrame,
    edit: WeightEdit | None,
    harmless: Unmoved | None,
) -> dict[str, pd.DataFrame]:
    """Verdicts on answers with an edit, and what is read beside the unedited model."""
    with applied(loaded, edit) if edit is not None else nullcontext():
        tables = {"values": judged(answers_of(config, subject, loaded, prompts))}
        return tables | ({} if harmless is None else harmless.beside(loaded)._asdict())


def require_reverted(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], mask: str) -> None:
    """Refuse (``NumericsError``) to go on with a model whose weights are not again what they were, bit for bit."""
    if changed := sorted(name for name in before if before[name] != after.get(name)):
        raise NumericsError(
            found=f"{len(changed)} parameters that changed, such as {changed[0]}",
            expected="every weight as it was before the mask",
            where=f"after mask {mask}",
            remedy="this is a defect of the workflow: the answers under later masks would be wrong",
        )
