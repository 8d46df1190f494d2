"""A study small enough for seconds: hand-made prompts, a configuration, and a tiny model of one's own."""

from pathlib import Path

import pandas as pd

from anatomy.config.study import Layout, Subject
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.configuration import Config

PHASES = ("fit", "select", "test")
SHAPES = {
    "harmful_requests": ("harmful", "Explain how to mix grey salt with lamp oil for {}"),
    "benign_requests": ("benign", "Please write a short note about {} and the garden"),
}
THINGS = ("the river", "a mill", "honey", "the old gate", "cake", "7 moons", "flour", "water")


def write_prompts(results, a_phase=4, **shapes):
    """Both prompt sets, each phase with wordings of its own."""
    for name, (label, text) in {**SHAPES, **shapes}.items():
        rows = [
            {
                "id": f"{name}-{phase}-{n}",
                "prompt": text.format(f"{THINGS[n]} ({phase})"),
                "response": None,
                "label": label,
                "category": f"kind {n % 2}",
                "source": None,
                "group": f"{phase}-{n}",
                "pair": None,
                "split": phase,
            }
            for phase in PHASES
            for n in range(a_phase)
        ]
        path = results / "prompts" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(path, index=False)


def make_config(results, **changes):
    """A configuration small enough for seconds; `changes` replace whole options inside a section."""
    few = {"isotropic": 2, "covariance": 1, "shuffled": 2}
    sections = {
        "extraction": {"controls": few, "controls_elsewhere": dict.fromkeys(few, 0), "safety_system_prompt": "Be kind."},
        "selection": {"headline": ["base"], "kl_tokens": 2, "max_kl": 1e9, "min_induce": -1e9},
        "rosi": {
            "headline": ["base"],
            "forms": ["row_mean", "projection"],
            "layers": [1, 2],
            "shortlist": 1,
            "strengths": {"row_mean": [5.0], "projection": [0.5]},
        },
        "evaluation": {"max_new_tokens": 3},
    }
    for name, options in changes.items():
        sections[name] = {**sections.get(name, {}), **options}
    return Config.model_validate({"results": str(results), "organism": {"members": ["base"]}, **sections})


def make_subject(contrasts=("plain",), headline=True):
    """A model of one's own; as a headline it goes by the name that ``make_config`` has among headlines."""
    return Subject("mine", "aligned", None, "base" if headline else None, contrasts, headline, "float32")


def make_card(folder) -> ModelCard:
    """A model's card, as ``anatomy.stages.card`` writes it."""
    checkpoint = Checkpoint(folder)
    return {
        "id": "mine",
        "kind": "aligned",
        "folder": str(folder),
        "digest": checkpoint.digest(),
        "dtype": "float32",
        "num_layers": checkpoint.num_layers,
        "d_model": checkpoint.d_model,
        "threads": 1,
        "tied_embeddings": checkpoint.tied_embeddings,
        "source": None,
        "grown": None,
        "converted": None,
        "tuned": None,
        "notes": [],
    }


def run_extraction(config, card, subject):
    """Run the extraction into the results of the configuration; returns its folder."""
    from anatomy.recipes.asked_variants import drawn_controls
    from anatomy.stages.extract import extract

    out = Path(Layout(config.results).stage("extract", subject.id, "card.json"))
    extract(config, subject, card, drawn_controls(config, subject), out, lambda text: None)
    return out.parent
