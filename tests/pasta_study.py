"""A pair of tiny models and the tables that PASTA reads, for tests of its stages."""

from pathlib import Path

import pandas as pd
from small_study import THINGS, make_card, write_prompts

from anatomy.config.study import Subject, subjects
from anatomy.models.card import ModelCard
from anatomy.recipes.configuration import Config

DOMAINS = ("essays", "news")
SETS = ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests", "prefixes")
SMALL = {
    "fit_prefixes": 8,
    "select_prefixes": 6,
    "test_prefixes": 4,
    "requests": 2,
    "sketch": 4,
    "scales": [0.0, 1.0],
    "searched_edits": {"ablate": [1.0], "subtract": [1.0]},
    "layers": [1, 4],
    "controls": {"orthogonal": 2, "equal_variance": 1, "swept": 1},
    "decoding": {"max_new_tokens": 48},
}


def write_prefixes(results: Path) -> None:
    """Human prefixes of two domains with their continuations, each phase with things of its own."""
    rows = [
        {
            "id": f"{domain}/{phase}-{n}",
            "prompt": f"A note about {THINGS[n]} in {phase}:",
            "response": f" first take the flour and the salt, then {THINGS[n]} and a little honey.",
            "label": "benign",
            "category": domain,
            "source": "mine",
            "group": f"{phase}-{n}",
            "pair": "",
            "split": phase,
        }
        for domain in DOMAINS
        for phase in ("fit", "select", "test")
        for n in range(4)
    ]
    path = results / "prompts" / "prefixes.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path, index=False)


def pasta_config(results: Path, folders: dict[str, Path], **changes) -> Config:
    """A run of two models of one's own; they are each other's scorers, which says nothing and costs nothing.

    One detector names models by id, one by folder, one has none; all are fitted on training prefixes.
    """
    models = {
        name: {"folder": str(folder), "kind": kind, "dtype": "float32"}
        for (name, folder), kind in zip(folders.items(), ("base", "aligned"), strict=True)
    }
    plain, tuned = map(str, folders.values())
    shared = {"dtype": "float32", "reading": {"min_tokens": 3, "beginning": True}}
    detectors = {
        "binoculars": {"kind": "binoculars", "reference": "plain", "scorer": "tuned", **shared},
        "curvature": {"kind": "fast_detectgpt", "reference": plain, "scorer": tuned, **shared},
        "words": {"kind": "ngrams"},
    }
    pasta = {"pairs": {"tuned": "plain"}, "own_detectors": detectors, **SMALL, **changes}
    return Config.model_validate(
        {
            "results": str(results),
            "organism": {"members": []},
            "models": models,
            "judges": ["rules", "coherence"],
            "extraction": {"contrasts": {"base": ["plain"], "aligned": ["plain"]}},
            "selection": {"headline": []},
            "rosi": {"headline": []},
            "benchmarks": {"tasks": []},
            "evaluation": {"max_new_tokens": 4},
            "pasta": pasta,
            "statistics": {"bootstrap": 100},
            "prompt_sets": {name: {"file": "unread.csv", "label": "benign"} for name in SETS},
        }
    )


def pair(config: Config) -> dict[str, Subject]:
    """The two models by role."""
    known = {subject.id: subject for subject in subjects(config)}
    return {"aligned": known["tuned"], "base": known["plain"]}


def card(subject: Subject, folder: Path) -> ModelCard:
    """A model's card."""
    return {**make_card(folder), "id": subject.id, "kind": subject.kind, "source": {"folder": str(folder)}}


def write_study(results: Path) -> None:
    """Everything a study reads besides its models."""
    write_prompts(results)
    write_prefixes(results)
