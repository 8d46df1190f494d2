"""Where a run's numbers come from: models, versions, hardware, times, what the store holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anatomy.config.schema import Config
from anatomy.models.card import ModelCard
from anatomy.models.machine.surroundings import hardware, software
from anatomy.stages.card import read_card
from anatomy.store.journal import read_journal
from anatomy.store.upkeep import size

if TYPE_CHECKING:
    import pandas as pd


def manifest(config: Config, cards: list[Path], benchmarks: list[Path]) -> dict[str, Mapping[str, Any]]:
    """Groups of facts for the page's last section.

    Args:
        cards: models' cards.
        benchmarks: Snakemake's ``benchmark:`` files, one a job.
    """
    results = Path(config.results)
    journal = read_journal(results / "store")
    return {
        "models": {"cards": [model_row(read_card(card)) for card in cards]},
        "software": software(),
        "hardware": hardware(),
        "store": {
            "engine and model starts": int((journal["event"] == "start").sum()),
            "rows computed": int(journal.loc[journal["event"] == "rows", "rows"].sum()),
            "size": f"{size(results / 'store') / 1e6:.1f} MB",
        },
        "serving": {"fallbacks": fallbacks(journal)},
        "times": {"jobs": [row for path in sorted(benchmarks) for row in times(results, path)]},
        "configuration": {name: str(value) for name, value in config.model_dump(mode="json").items()},
    }


def fallbacks(journal: pd.DataFrame) -> list[dict[str, Any]]:
    """What an engine served in another way than asked, each once."""
    columns = ["model", "asked", "served", "reason"]
    return journal.loc[journal["event"] == "fallback", columns].drop_duplicates().to_dict("records")


def model_row(card: ModelCard) -> dict[str, Any]:
    """One model in the manifest."""
    return {
        "model": card["id"],
        "kind": card["kind"],
        "digest": card["digest"][:16],
        "dtype": card["dtype"],
        "trained in": (card["grown"] or {}).get("matrix_dtype", ""),
        "layers": card["num_layers"],
        "width": card["d_model"],
        "source": _source(card),
        "prompts": "; ".join(card["notes"]),
    }


def _source(card: ModelCard) -> str:
    source, converted = card["source"] or {}, card["converted"]
    if converted is not None:
        return f"{converted['file']} {converted['sha256'][:12]}, {converted['in words']}"
    return f"{source['hub']}@{source['revision'][:12]}" if source.get("hub") else source.get("folder") or "grown here"


def times(results: Path, path: Path) -> list[dict[str, Any]]:
    """Wall time and peak memory of one job, from Snakemake's own measurement."""
    import csv

    with open(path, encoding="utf-8") as file:
        return [
            {
                "job": str(path.relative_to(results).with_suffix("")),
                "seconds": float(row["s"]),
                "peak MB": float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else None,
            }
            for row in csv.DictReader(file, delimiter="\t")
        ]
