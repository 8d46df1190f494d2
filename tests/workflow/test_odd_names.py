"""A whole study of a pair of one's own, two papers, whose every path has characters that a shell, a pattern or a comment begins
with: it ends like any other. Its base has no chat template, as most released ones."""

import csv
from itertools import product

import pandas as pd
import pytest
import yaml
from own_study import DEEDS, PLACES, call, make_own_study
from tiny_model import make_tiny_model

from anatomy.store.files import read_json

ODD = "é [a]*? $HOME & ; (b) 'c\" # % ~ \\"
PASTA = {
    "pairs": {"mine": "start"},
    "own_detectors": {"words": {"kind": "ngrams"}},
    "fit_prefixes": 12,
    "select_prefixes": 4,
    "test_prefixes": 4,
    "requests": 2,
    "test_requests": 2,
    "layers": [1],
    "scales": [1.0],
    "searched_edits": {"ablate": [1.0]},
    "searched_directions": ["answer"],
    "searched_positions": ["all"],
    "controls": {"orthogonal": 1, "equal_variance": 1, "swept": 0},
    "decoding": {"max_new_tokens": 48},
}

pytestmark = [pytest.mark.workflow, pytest.mark.long]


def write_prefixes(path):
    """Human prefixes of two domains, six of each a phase, with how they go on."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "prefix", "continuation", "domain", "split"])
        for domain, (phase, place), (n, deed) in product(("essays", "fiction"), PLACES.items(), enumerate(DEEDS)):
            prefix, continuation = (
                f"In the {place} of {domain} I saw them {deed}",
                f"and then they {deed} again, as slowly as before, and nobody in the street said a word.",
            )
            rows.writerow([f"{domain}-{phase}-{n}", prefix, continuation, domain, phase])


def make_odd_study(folder):
    """A pair, its pairs of prompts, human prefixes, judge, benchmark and configuration, under odd names."""
    make_own_study(folder)
    for name in ("model", "guard", "data"):
        (folder / name).rename(folder / f"{name} {ODD}")
    make_tiny_model(folder / f"start {ODD}", seed=1, layers=2)
    (folder / f"start {ODD}" / "chat_template.jinja").unlink()
    values = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))
    for label in ("harmful", "benign"):
        (folder / f"{label}.csv").rename(folder / f"{label} {ODD}.csv")
        values["prompt_sets"][f"{label}_requests"]["file"] = f"{label} {ODD}.csv"
    write_prefixes(folder / f"prefixes {ODD}.csv")
    columns = {"prefix": "prompt", "continuation": "response", "domain": "category"}
    values["prompt_sets"]["prefixes"] = {"file": f"prefixes {ODD}.csv", "columns": columns, "label": "human", "minimum": 4}
    values["models"]["mine"]["folder"] = str(folder / f"model {ODD}")
    values["models"]["start"] = {"folder": f"start {ODD}", "kind": "base", "template": False, "dtype": "float32"}
    values["model_judges"]["guard"]["folder"] = f"guard {ODD}"
    values["benchmarks"]["data"] = f"data {ODD}"
    values |= {"results": f"results {ODD}", "recipes": ["rosi", "pasta"], "pasta": PASTA}
    (folder / "mine.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")


def test_a_pair_of_odd_names_whose_base_has_no_template_ends_in_its_report(tmp_path):
    folder = tmp_path / f"study {ODD}"
    folder.mkdir()
    make_odd_study(folder)
    call(folder, check=True)
    results = folder / f"results {ODD}"
    assert "PASTA" in (results / "report.html").read_text(encoding="utf-8")
    texts = pd.read_parquet(results / "generate" / "start" / "pasta.fit.completions.parquet")
    variants = pd.read_parquet(results / "generate" / "start" / "pasta.fit.variants.parquet")
    assert set(variants["slug"]) == {"base", "as-chat"}, "the base was asked through its partner's template too"
    assert texts["variant"].nunique() == 3  # as a document, in a chat, and the humans themselves
    assert read_json(results / "extract" / "mine" / "signature.json")["contrasts"]["template_only"]
