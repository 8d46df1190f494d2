"""Continuations scored by detectors: judgements whose judge is the detector's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.progress.counting import Progress
from anatomy.recipes.pasta.stages.instruments import Instrument, measured_texts
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Lazy, Want, assemble, cells_of, fill
from anatomy.texts.detectors.detection import detections, not_scored
from anatomy.texts.detectors.table import judgements_of
from anatomy.texts.judges.verdict import KEYS

PINS: tuple[str, ...] = ("peft", "scikit-learn", "torch", "transformers")
NOT_PINNED = {"scipy": "imported for intervals of means, which are taken in text_measures"}

SHARD = 256
"""Texts a shard: what a kill costs at most."""


def detect(
    config: Config, subject: Subject, instruments: Sequence[Instrument], completions: pd.DataFrame, say: Callable[[str], None]
) -> tuple[pd.DataFrame, list[str]]:
    """Score every continuation of a prefix by every detector.

    Texts are cut at their last sentence first; degenerate ones and those that a detector gives no number for have none, the
    reason in ``raw`` and ``parse_failure`` set, so that they are counted and never averaged.

    Args:
        subject: whose texts they are. Its cells are its own, so that no job waits for the texts of another model.
        completions: table of completions; other sets than the prefixes are left out.

    Returns:
        Judgements, one row a text and detector, and the store's cells. ``score`` is the probability of a machine's hand, higher
        for more machine-like whatever the detector, ``label`` machine or human; ``statistic`` the detector's own number,
        ``flagged`` 1 or 0, ``n_tokens`` what the number rests on.
    """
    texts = measured_texts(config, completions, subject.is_organism)
    texts["item"] = [digest({"text": text}) for text in texts["response"]]
    fit = texts[texts["degenerate"] == ""]
    store, code = Path(config.results) / "store", cell_fingerprint("anatomy.recipes.pasta.stages.instruments", False)
    rows = fit[[*KEYS, "group", "category", "item", "response"]]
    wants = [
        Want(Cell(store, "detect", {"code": code, "writer": subject.id, **one.key}), rows, {"detector": one.name})
        for one in instruments
    ]
    opened = {want.cell.name: one for want, one in zip(wants, instruments, strict=True)}

    def compute(_: None, missing: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        progress = Progress("texts scored", sum(len(want.rows) for want in missing), whole=True)
        for want in missing:
            detector = opened[want.cell.name].open()
            say(f"{detector.name}: {len(want.rows)} texts")
            for start in range(0, len(want.rows), SHARD):
                rows = want.rows.iloc[start : start + SHARD]
                with progress.part(len(rows)):
                    found = detections(detector, list(rows["response"]))
                yield want, found.assign(item=list(rows["item"]))

    with Lazy(lambda: nullcontext(None), store, "detect") as session:
        fill(wants, session, compute, say)
    scored = assemble(wants, [*KEYS, "detector"])
    skipped = texts[texts["degenerate"] != ""]
    skipped = skipped[[*KEYS, "group", "category"]].join(not_scored(skipped["degenerate"]))
    every = pd.concat([scored, *(skipped.assign(detector=one.name) for one in instruments)], ignore_index=True)
    return judgements_of(every), list(cells_of(wants))
