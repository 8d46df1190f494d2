"""PASTA's passes on a pair of tiny models, finished: what tests of its stages look at."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from pasta_study import card, pair, pasta_config, write_study
from tiny_model import make_tiny_model

from anatomy.interventions.directions.candidates import Directions
from anatomy.recipes.asked_variants import asked_in_memory
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.recipe import RECIPE
from anatomy.recipes.pasta.speaking import speaking
from anatomy.recipes.pasta.stages.detect import detect
from anatomy.recipes.pasta.stages.instruments import Instrument, fitting_texts, own_instruments
from anatomy.recipes.pasta.stages.localize_signature import localize_signature
from anatomy.recipes.pasta.stages.signature import extract_signature
from anatomy.recipes.pasta.stages.text_measures import PairTables, text_measures
from anatomy.stages.generate import generate
from anatomy.stages.judge import judge
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.utility import samples_table
from anatomy.texts.authors import HUMAN
from anatomy.texts.diversity.style_markers import GENERAL

REFUSAL = Directions(torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(3)), (-1,), (0, 1, 2, 3))
"""Refusal directions as an extraction would have found them."""


@dataclass
class Study:
    """A finished pass through every phase."""

    config: Config
    cards: dict
    extracted: Path
    tables: dict
    found: dict
    signature: dict

    def generate(self, role: str, phase: str) -> dict:
        subject, found = pair(self.config)[role], {"select": self.signature, "test": self.found}.get(phase, {})
        asked = asked_in_memory(self.config, RECIPE, subject, phase, found)
        model_edits = ModelEdits(self.cards[role], self.extracted)
        spoken = speaking(self.config, subject, self.cards[role], phase)
        return generate(self.config, subject, self.cards[role], asked, phase, model_edits, spoken, lambda text: None)

    def instruments(self, config: Config | None = None) -> list[Instrument]:
        texts = fitting_texts(self.config, *(self.tables[role, "fit"]["completions"] for role in ("aligned", "base")), False)
        options = (config or self.config).pasta.own_detectors
        return own_instruments(options, {card["id"]: card for card in self.cards.values()}, texts)

    def detect(self, role: str, phase: str) -> pd.DataFrame:
        table = self.tables[role, phase]["completions"]
        return detect(self.config, pair(self.config)[role], self.instruments(), table, lambda text: None)[0]


def run_passes(folder: Path) -> Study:
    """Every phase on two tiny models: fit, extraction, select, localisation, test, and everything measured of the texts."""
    torch.set_num_threads(1)
    results = folder / "results"
    write_study(results)
    folders = {"plain": make_tiny_model(folder / "plain", seed=0), "tuned": make_tiny_model(folder / "tuned", seed=1)}
    config = pasta_config(results, folders)
    subjects = pair(config)
    cards = {role: card(subject, folders[subject.id]) for role, subject in subjects.items()}
    one = Study(config, cards, results / "extract" / "tuned", {}, {}, {})
    for role in ("base", "aligned"):
        one.tables[role, "fit"] = one.generate(role, "fit")
    generated = {role: one.tables[role, "fit"]["completions"] for role in cards}
    extract_signature(config, subjects, cards, generated, REFUSAL, one.extracted / "signature.json", lambda text: None)
    one.signature = json.loads((one.extracted / "signature.json").read_text())
    select = one.tables["aligned", "select"] = one.generate("aligned", "select")
    scores = one.detect("aligned", "select")
    judged = judge(config, subjects["aligned"], select["completions"], None, None)
    found = localize_signature(
        config, subjects["aligned"], one.signature, select["completions"], select["variants"], judged, scores, lambda text: None
    )
    one.found = found.selected
    one.tables["localize"], one.tables["scores"] = found.tables, scores
    for role in ("base", "aligned"):
        one.tables[role, "test"] = one.generate(role, "test")
    one.tables["measures"] = measure(one)
    return one


def measure(study):
    both = {role: study.tables[role, "test"] for role in ("base", "aligned")}
    judged = [judge(study.config, pair(study.config)[role], both[role]["completions"], None, None) for role in both]
    tables = PairTables(
        completions=pd.concat([one["completions"] for one in both.values()]),
        variants=pd.concat([one["variants"] for one in both.values()]),
        fit=pd.concat([study.tables[role, "fit"]["completions"] for role in both]),
        judgements=pd.concat(judged),
        detectors=pd.concat([study.detect(role, "test") for role in both]),
        samples=samples_table([]),
    )
    return text_measures(study.config, pair(study.config)["aligned"], tables, study.cards["base"], GENERAL, lambda text: None)


def named(table, variants, name):
    """Rows of a variant that is called so; of humans, who are no variant, by their own name."""
    known = variants.loc[variants["slug"] == name, "variant"]
    return table[table["variant"].isin({*known, HUMAN} if name == HUMAN else known)]


def texts(pass_, name, place="prefixes"):
    rows = named(pass_["completions"], pass_["variants"], name)
    return rows[rows["set"] == place].set_index("id")["response"].to_dict()
