"""Continuations scored by detectors: judgements whose judge is the detector's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from anatomy.config.options import cell_fingerprint
from anatomy.config.schema import Config
from anatomy.continuations.post_processing import PUBLISHED_RULES, SHORT_RULES, post_process
from anatomy.errors import ConfigError
from anatomy.judges.verdict import COLUMNS, KEYS
from anatomy.models.loading import LoadedModel, load_model
from anatomy.stages.likelihood_detectors import DETECTORS
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Lazy, Want, assemble, cells_of, fill

Scorers = tuple[LoadedModel, LoadedModel]


def detect(config: Config, scorers: Sequence[dict[str, Any]], completions: pd.DataFrame,
           say: Callable[[str], None]) -> tuple[pd.DataFrame, list[str]]:
    """Score every continuation of a prefix by every detector.

    Texts are cut at their last sentence first; degenerate ones and those that a detector gives no number for have none, the
    reason in ``raw`` and ``parse_failure`` set, so that they are counted and never averaged.

    Args:
        scorers: cards of the base and the aligned scorer.
        completions: table of completions; other sets than the prefixes are left out.

    Returns:
        Judgements, one row a text and detector, and the store's cells.

    Raises:
        ConfigError: no scorers.
    """
    if len(scorers) != 2:
        raise ConfigError(found=f"{len(scorers)} scorers", expected="a base and an aligned model", where="pasta.scorers",
                          remedy="name two models of your own that the detectors may use")
    organism = all(card.get("source") is None for card in scorers)
    texts = completions[completions["set"] == config.pasta.prefixes]
    texts = post_process(texts, SHORT_RULES if organism else PUBLISHED_RULES)
    texts["item"] = [digest({"text": text}) for text in texts["response"]]
    fit = texts[texts["degenerate"] == ""]
    store, code = Path(config.results) / "store", cell_fingerprint("detect", False)
    wants = [Want(Cell(store, "detect", {"code": code, "detector": name, "scorers": [card["digest"] for card in scorers],
                                         "dtypes": [card["dtype"] for card in scorers]}),
                  fit[[*KEYS, "group", "item", "response"]], {"judge": name}) for name in config.pasta.detectors]
    names = {want.cell.name: want.labels["judge"] for want in wants}

    def compute(loaded: Scorers, missing: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        for want in missing:
            score = DETECTORS[names[want.cell.name]]
            values = score(*loaded, list(want.rows["response"]), config.pasta.token_budget)
            say(f"{names[want.cell.name]}: {len(values)} texts")
            yield want, pd.DataFrame({"item": list(want.rows["item"]), "score": values})

    with Lazy(lambda: _Loaded(scorers), store, "detect") as session:
        fill(wants, session, compute, say)
    scored = assemble(wants, [*KEYS, "judge"]).assign(raw="")
    skipped = [texts[texts["degenerate"] != ""].assign(judge=name, score=np.nan) for name in config.pasta.detectors]
    skipped = pd.concat(skipped).assign(raw=lambda rows: rows["degenerate"])
    table = pd.concat([scored, skipped], ignore_index=True)
    nan = table["score"].isna()
    table["raw"] = table["raw"].where(~nan | (table["raw"] != ""), "too short for the detector")
    table = table.assign(label=pd.Series([None] * len(table), dtype="str"), parse_failure=nan)
    return table[list(COLUMNS)].sort_values([*KEYS, "judge"], ignore_index=True), list(cells_of(wants))


class _Loaded:
    """Both scorers, opened when the first text is missing."""

    def __init__(self, cards: Sequence[dict[str, Any]]) -> None:
        self.cards = cards

    def __enter__(self) -> Scorers:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        first, second = (load_model(Path(card["folder"]), getattr(torch, card["dtype"]), device) for card in self.cards)
        return first, second

    def __exit__(self, *error: object) -> None:
        pass
