"""Where a run's numbers come from: models, versions, hardware, times, what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from anatomy.config.schema import Config
from anatomy.models.card import ModelCard, hub_of
from anatomy.models.machine.surroundings import Hardware, hardware, software
from anatomy.stages.card import read_card
from anatomy.store.journal import read_journal
from anatomy.store.upkeep import size

if TYPE_CHECKING:
    import pandas as pd


ModelRow = TypedDict(
    "ModelRow",
    {
        "model": str,
        "kind": str,
        "digest": str,
        "dtype": str,
        "trained in": str,
        "layers": int,
        "width": int,
        "source": str,
        "prompts": str,
    },
)
"""One model, as the page prints it."""

JobTime = TypedDict("JobTime", {"job": str, "seconds": float, "peak MB": float | None})
"""What Snakemake measured of one job."""

Stored = TypedDict("Stored", {"engine and model starts": int, "rows computed": int, "size": str})
"""What a run's store holds."""


class FallbackRow(TypedDict):
    """What an engine served in another way than asked."""

    model: str
    asked: str
    served: str
    reason: str


class Manifest(TypedDict):
    """Groups of facts, in the order in which the page prints them."""

    models: dict[str, list[ModelRow]]
    software: dict[str, str]
    hardware: Hardware
    store: Stored
    serving: dict[str, list[FallbackRow]]
    times: dict[str, list[JobTime]]
    configuration: dict[str, str]


def manifest(config: Config, cards: list[Path], benchmarks: list[Path]) -> Manifest:
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


def fallbacks(journal: pd.DataFrame) -> list[FallbackRow]:
    """What an engine served in another way than asked, each once."""
    columns = ["model", "asked", "served", "reason"]
    return journal.loc[journal["event"] == "fallback", columns].drop_duplicates().to_dict("records")


def model_row(card: ModelCard) -> ModelRow:
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
    source, converted, hub = card["source"], card["converted"], hub_of(card["source"])
    if converted is not None:
        return f"{converted['file']} {converted['sha256'][:12]}, {converted['in words']}"
    if card["tuned"] is not None:
        return str(card["tuned"]["in_words"])
    return f"{hub[0]}@{hub[1][:12]}" if hub else (source and source.get("folder")) or "grown here"


def times(results: Path, path: Path) -> list[JobTime]:
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
