"""Continuations scored by detectors: judgements whose judge is the detector's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.progress.counting import Progress
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.instruments import Instrument, measured_texts
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Lazy, Want, assemble, cells_of, fill
from anatomy.texts.judges.verdict import COLUMNS, KEYS

PINS: tuple[str, ...] = ("peft", "scikit-learn", "torch", "transformers")

DETECTOR_COLUMNS = (*COLUMNS, "category", "statistic", "flagged", "n_tokens")
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
    store, code = Path(config.results) / "store", cell_fingerprint("detect", False)
    rows = fit[[*KEYS, "group", "category", "item", "response"]]
    wants = [
        Want(Cell(store, "detect", {"code": code, "writer": subject.id, **one.key}), rows, {"judge": one.name})
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
                    found = detector.detect(list(rows["response"]))
                yield (
                    want,
                    pd.DataFrame(
                        {
                            "item": list(rows["item"]),
                            "score": [one.machine for one in found],
                            "statistic": [one.score for one in found],
                            "flagged": [np.nan if one.flagged is None else float(one.flagged) for one in found],
                            "n_tokens": [one.n_tokens for one in found],
                            "raw": [one.excluded for one in found],
                        }
                    ),
                )

    with Lazy(lambda: nullcontext(None), store, "detect") as session:
        fill(wants, session, compute, say)
    scored = assemble(wants, [*KEYS, "judge"])
    nothing = {"score": np.nan, "statistic": np.nan, "flagged": np.nan, "n_tokens": 0}
    skipped = texts[texts["degenerate"] != ""]
    skipped = [skipped.assign(judge=one.name, raw=skipped["degenerate"], **nothing) for one in instruments]
    table = pd.concat([scored, *skipped], ignore_index=True)
    labels = table["flagged"].map({1.0: "machine", 0.0: "human"}).astype("str").where(table["flagged"].notna())
    table = table.assign(label=labels, parse_failure=table["raw"] != "")
    return table[list(DETECTOR_COLUMNS)].sort_values([*KEYS, "judge"], ignore_index=True), list(cells_of(wants))
