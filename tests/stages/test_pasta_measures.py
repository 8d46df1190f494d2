"""What is measured of PASTA's texts: detection, everything beside it, and benchmarks under the hook."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pasta_passes import named
from pasta_study import pair
from river_task import CHOICES, QUESTIONS, tasks_of_seed, write_task

from anatomy.config.methods import Benchmarks
from anatomy.models.loading import load_model
from anatomy.recipes.asked_variants import asked_in_memory
from anatomy.recipes.pasta.recipe import RECIPE
from anatomy.recipes.pasta.stages.detect import detect
from anatomy.recipes.pasta.stages.instruments import measured_texts
from anatomy.stages.hooked_benchmarks import hooked_benchmarks
from anatomy.stages.model_edits import ModelEdits
from anatomy.texts.authors import HUMAN
from anatomy.texts.detectors.score_file import text_digest


def test_scores_are_counted_where_there_are_none(passes):
    scores = passes.tables["scores"]
    assert (scores["score"].isna() == scores["parse_failure"]).all()
    assert (scores.loc[scores["parse_failure"], "raw"] != "").all()
    texts_of = passes.tables["aligned", "select"]["completions"]
    assert len(scores) == len(passes.config.pasta.own_detectors) * (texts_of["set"] == "prefixes").sum()
    assert scores["score"].dropna().between(0, 1).all()
    flagged = scores.dropna(subset="flagged")
    assert ((flagged["label"] == "machine") == (flagged["flagged"] == 1)).all()


def test_every_detector_number_has_quality_beside_it(passes):
    table = passes.tables["measures"]["measures"]
    assert not table.duplicated(["model", "variant", "domain", "kind", "measure"]).any()
    scored = table[table["kind"] == "detector"].groupby(["model", "variant", "domain"])["measure"].nunique()
    for measure in ("words", "degenerate", "perplexity"):
        beside = table[(table["measure"] == measure) & (table["kind"] == "quality")].set_index(["model", "variant", "domain"])
        assert set(scored.index) == set(beside.index)
    assert set(table.loc[table["kind"] == "safety", "measure"]) == {"refusal", "over_refusal"}
    refusal = table[(table["measure"] == "refusal") & (table["domain"] == "all")]
    assert {"base", "dose-1"} <= set(refusal["slug"])
    # Nothing taken out measures like nothing done.
    ours = table[table["model"] == "tuned"]
    same = [ours[ours["slug"] == name].set_index(["domain", "kind", "measure"])["value"] for name in ("base", "dose-0")]
    pd.testing.assert_series_equal(same[0].sort_index(), same[1].sort_index())


def test_humans_and_base_are_measured_with_the_aligned_model(passes):
    table = passes.tables["measures"]["measures"]
    assert set(table["model"]) == {"plain", "tuned"}
    assert set(table.loc[table["role"] == "human", "variant"]) == {HUMAN}
    assert {"affinity", "detector", "diversity", "quality", "style"} <= set(table.loc[table["role"] == "human", "kind"])
    # A variant of one domain has no row over all of them.
    inside = table[(table["family"] == "in_domain") & (table["domain"] == "all")]
    assert inside.empty
    agreed = passes.tables["measures"]["agreement"]
    assert set(agreed["first"]) | set(agreed["second"]) == {"likelihood_ratio", "ngram_coverage", "nearest_neighbour"}


def test_a_score_file_measures_and_selects_nothing(passes, tmp_path):
    texts = measured_texts(passes.config, passes.tables["aligned", "test"]["completions"], False)
    known = texts[texts["degenerate"] == ""]["response"].unique()[:1]
    path = tmp_path / "closed.csv"
    pd.DataFrame({"digest": [text_digest(text) for text in known], "score": 0.9}).to_csv(path, index=False)
    options = passes.config.pasta.model_dump(mode="json")
    options["own_detectors"]["closed"] = {"kind": "score_file", "file": str(path)}
    config = passes.config.model_copy(update={"pasta": type(passes.config.pasta).model_validate(options)})
    assert "closed" not in config.pasta.selecting(False)
    completions = passes.tables["aligned", "test"]["completions"]
    table, _ = detect(config, pair(config)["aligned"], passes.instruments(config), completions, lambda text: None)
    closed = table[table["judge"] == "closed"]
    assert closed["score"].dropna().eq(0.9).all() and closed["score"].notna().any()
    assert set(closed.loc[closed["parse_failure"], "raw"]) - {"missing"} <= set(texts["degenerate"])
    first = {"closed": options["own_detectors"]["closed"]}
    with pytest.raises(ValueError, match="selects"):
        type(passes.config.pasta).model_validate({**options, "own_detectors": first})


def test_benchmarks_are_taken_under_the_hook(passes):
    task = write_task(tasks_of_seed(passes.config.results))
    config = passes.config.model_copy(update={"benchmarks": Benchmarks(organism_tasks=[task])})
    subject, card = replace(pair(config)["aligned"], seed=0), passes.cards["aligned"]
    asked = asked_in_memory(config, RECIPE, pair(config)["aligned"], "test", passes.found)
    model_edits = ModelEdits(card, passes.extracted)
    said: list[str] = []
    table, cells = hooked_benchmarks(config, subject, card, asked, config.pasta.benchmark_items, model_edits, said.append)
    variants = passes.tables["aligned", "test"]["variants"]
    names = set(variants.loc[variants["variant"].isin(table["variant"]), "slug"])
    assert {"base", "own", "orthogonal-0", "orthogonal-1"} <= names and "halves-0" not in names
    loaded = load_model(Path(card["folder"]), torch.float32, "cpu")

    def plain(question, choice):
        front = loaded.tokenizer(question)["input_ids"]
        ids = loaded.tokenizer(f"{question} {choice}")["input_ids"]
        logs = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return sum(logs[place - 1, ids[place]].item() for place in range(len(front), len(ids)))

    first = {name: named(table, variants, name).sort_values("id")["loglikelihoods"].tolist() for name in ("base", "own")}
    with torch.no_grad():
        scores = [[plain(question, choice) for choice in CHOICES] for question in QUESTIONS]
    assert sorted(map(tuple, np.round(first["base"], 3))) == sorted(map(tuple, np.round(scores, 3)))
    assert np.abs(np.array(first["base"]) - np.array(first["own"])).max() > 1e-3
    said.clear()
    again, _ = hooked_benchmarks(config, subject, card, asked, config.pasta.benchmark_items, model_edits, said.append)
    pd.testing.assert_frame_equal(again, table)
    assert not said and cells
