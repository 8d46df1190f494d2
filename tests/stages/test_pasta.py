"""PASTA's passes on two tiny models: fit, extraction, select, localisation, test, and everything measured of the texts."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pasta_study import card, pair, pasta_config, write_study
from tiny_model import make_tiny_model

from anatomy.config.methods import Benchmarks
from anatomy.config.schema import Config
from anatomy.detectors.score_file import text_digest
from anatomy.directions.signature import cosines
from anatomy.diversity.style_markers import GENERAL
from anatomy.errors import DataError, ModelError
from anatomy.models.loading import load_model
from anatomy.recipes.registry import asked_in_memory
from anatomy.stages.detect import detect
from anatomy.stages.direction_book import DirectionBook
from anatomy.stages.edit_book import EditBook
from anatomy.stages.generate import HUMAN, generate
from anatomy.stages.hooked_benchmarks import hooked_benchmarks
from anatomy.stages.instruments import Instrument, fitting_texts, measured_texts, own_instruments
from anatomy.stages.judge import judge
from anatomy.stages.localize_signature import localize_signature
from anatomy.stages.signature import check_pair, extract_signature
from anatomy.stages.signature_weights import weight_gaps
from anatomy.stages.text_measures import PairTables, text_measures
from anatomy.stages.utility import samples_table


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
        asked = asked_in_memory(self.config, "pasta", subject, phase, found)
        book = EditBook(self.cards[role], self.extracted)
        return generate(self.config, subject, self.cards[role], asked, phase, book, role == "base", lambda text: None)

    def instruments(self, config: Config | None = None) -> list[Instrument]:
        texts = fitting_texts(self.config, *(self.tables[role, "fit"]["completions"] for role in ("aligned", "base")), False)
        options = (config or self.config).pasta.own_detectors
        return own_instruments(options, {card["id"]: card for card in self.cards.values()}, texts)

    def detect(self, role: str, phase: str) -> pd.DataFrame:
        table = self.tables[role, phase]["completions"]
        return detect(self.config, pair(self.config)[role], self.instruments(), table, lambda text: None)[0]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pasta")
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
    extract_signature(config, subjects, cards, generated, one.extracted / "signature.json", lambda text: None)
    one.signature = json.loads((one.extracted / "signature.json").read_text())
    select = one.tables["aligned", "select"] = one.generate("aligned", "select")
    scores = one.detect("aligned", "select")
    judged = judge(config, subjects["aligned"], select["completions"], None, None)
    found = localize_signature(config, subjects["aligned"], one.signature, select["completions"], select["variants"], judged,
                               scores, lambda text: None)
    one.found = found.pop("selected")
    one.tables["localize"], one.tables["scores"] = found, scores
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
        fit=pd.concat([study.tables[role, "fit"]["completions"] for role in both]), judgements=pd.concat(judged),
        detectors=pd.concat([study.detect(role, "test") for role in both]), samples=samples_table([]))
    return text_measures(study.config, pair(study.config)["aligned"], tables, study.cards["base"], GENERAL, lambda text: None)


def named(table, name):
    return table[table["variant"].str.partition("~")[0] == name]


def texts(table, name, place="prefixes"):
    rows = named(table, name)
    return rows[rows["set"] == place].set_index("id")["response"].to_dict()


def test_each_side_continues_the_same_prefixes_in_its_own_manner(study):
    base, aligned = (study.tables[role, "fit"]["completions"] for role in ("base", "aligned"))
    assert set(texts(base, "base")) == set(texts(aligned, "base")) == set(texts(base, HUMAN))
    assert texts(aligned, "base") != texts(aligned, "as-document")
    assert base["prompt"].equals(base["id"].map(lambda name: f"A note about {prefix(name)}:"))


def prefix(name):
    from small_study import THINGS

    phase, _, number = name.partition("/")[2].partition("-")
    return f"{THINGS[int(number)]} in {phase}"


def test_contrasts_are_extractions_like_any_other(study):
    book = DirectionBook(study.extracted)
    for name in ("signature", *study.signature["contrasts"]):
        assert book.candidates(name).vectors.shape == (2, 5, 64)
    assert set(study.signature["contrasts"]) == {"template_free", "template_only", "same_text", "same_input"}
    unit = book.unit({"contrast": "signature", "position": 0, "layer": 3, "control": None})
    for family, number in (("orthogonal", 1), ("equal_variance", 0)):
        control = book.unit({"contrast": "signature", "position": 0, "layer": 3, "control": [family, number]})
        assert abs((unit @ control).item()) < 1e-5
    inside = [book.directions("signature", ["domain", number]).vectors[1].double() for number in range(2)]
    assert cosines(inside[0][1:], inside[1][1:]).min() > 0.5  # parts of one signature


def test_geometry_and_writers_are_tidy(study):
    geometry = pd.read_parquet(study.extracted / "geometry.parquet")
    assert not geometry.duplicated(["quantity", "contrast", "other", "number", "position", "layer", "other_layer"]).any()
    removed = geometry[(geometry["quantity"] == "removed") & (geometry["other"] == "equal_variance") & (geometry["layer"] > 0)]
    assert removed["value"].between(0.0, 1.001).all()  # less than 1 where nothing beside the signature holds as much
    layers = geometry[geometry["quantity"] == "cosine_layers"].pivot(index="layer", columns="other_layer", values="value")
    assert layers.loc[2, 2] == pytest.approx(1.0)
    # What heads and MLPs write, with the embedding's share, is the signature's norm: the projection on itself.
    writers = pd.read_parquet(study.extracted / "writers.parquet")
    norms = geometry[(geometry["quantity"] == "norm") & (geometry["contrast"] == "signature") & (geometry["position"] == 0)]
    book = DirectionBook(study.extracted).candidates("signature")
    unit = book.unit(0, 4).double()
    embedding = (book.vector(0, 0).double() @ unit).item()
    total = writers.loc[writers["direction_layer"] == 4, "value"].sum() + embedding
    assert total == pytest.approx(norms.loc[norms["layer"] == 4, "value"].item(), rel=1e-3)


def test_search_covers_layers_and_picks_one_for_each_detector(study):
    assert set(study.found["layers"]) == set(study.config.pasta.own_detectors)
    assert set(study.found["layers"].values()) <= {1, 4}
    layers = study.tables["localize"]["layers"]
    whole = layers[(layers["family"] == "sweep") & (layers["category"] == "") & (layers["control"] == "")]
    assert (whole.groupby("detector")["share"].sum() - 1).abs().max() < 1e-9
    assert {"orthogonal", ""} == set(layers[layers["family"] == "sweep"]["control"])
    assert set(study.found["domains"]) == {"essays", "news"}


def test_scores_are_counted_where_there_are_none(study):
    scores = study.tables["scores"]
    assert (scores["score"].isna() == scores["parse_failure"]).all()
    assert (scores.loc[scores["parse_failure"], "raw"] != "").all()
    texts_of = study.tables["aligned", "select"]["completions"]
    assert len(scores) == len(study.config.pasta.own_detectors) * (texts_of["set"] == "prefixes").sum()
    assert scores["score"].dropna().between(0, 1).all()
    flagged = scores.dropna(subset="flagged")
    assert ((flagged["label"] == "machine") == (flagged["flagged"] == 1)).all()


def test_nothing_taken_out_changes_nothing_and_the_signature_changes_texts(study):
    table = study.tables["aligned", "test"]["completions"]
    assert texts(table, "dose-0") == texts(table, "base")
    detector = study.config.pasta.selecting(False)[0]
    assert texts(table, f"pasta@{detector}") == texts(table, "dose-1")
    assert texts(table, "dose-1") != texts(table, "base")
    assert texts(table, "own") != texts(table, "dose-1")


def test_an_edit_of_weights_writes_what_hooks_behind_the_writers_write(study):
    table = study.tables["aligned", "test"]["completions"]
    assert texts(table, "weights") == texts(table, "site-writes")  # sampled token by token from the same seeds
    subject = pair(study.config)["aligned"]
    book = EditBook(study.cards["aligned"], study.extracted)
    gaps = weight_gaps(study.config, subject, study.cards["aligned"], book, study.found, lambda text: None)
    equivalent = gaps.set_index("matrices").iloc[:2]
    assert (equivalent["gap"] < 1e-3).all()
    assert gaps["gap"].iloc[2] > 10 * equivalent["gap"].max()  # without the embedding it is no equal of all three sites


def test_answers_to_requests_under_ablation_are_withheld_and_continuations_kept(study):
    table = study.tables["aligned", "test"]["completions"]
    ablated = named(table, "dose-1")
    assert ablated.loc[ablated["set"] != "prefixes", "response"].eq("").all()
    assert ablated.loc[ablated["set"] != "prefixes", "withheld"].notna().all()
    assert ablated.loc[ablated["set"] == "prefixes", "withheld"].isna().all()
    assert named(table, "base")["withheld"].isna().all()


def test_a_second_run_computes_nothing(study):
    store = Path(study.config.results) / "store"
    before = sorted(path.name for path in store.rglob("*.parquet"))
    again = study.generate("aligned", "test")
    assert sorted(path.name for path in store.rglob("*.parquet")) == before
    pd.testing.assert_frame_equal(again["completions"], study.tables["aligned", "test"]["completions"])


def test_a_base_with_other_tokens_is_refused(study, tiny):
    vocabulary = {**tiny.tokenizer.get_vocab(), "river": 3}
    with pytest.raises(ModelError, match="other ids"):
        check_pair(vocabulary, tiny, study.cards)


def test_a_side_without_texts_is_named(study):
    subjects = pair(study.config)
    generated = {role: study.tables[role, "fit"]["completions"].assign(response="") for role in study.cards}
    with pytest.raises(DataError, match="plain, base"):
        extract_signature(study.config, subjects, study.cards, generated, study.extracted / "none.json", lambda text: None)


def test_every_detector_number_has_quality_beside_it(study):
    table = study.tables["measures"]["measures"]
    assert not table.duplicated(["model", "variant", "domain", "kind", "measure"]).any()
    scored = table[table["kind"] == "detector"].groupby(["model", "variant", "domain"])["measure"].nunique()
    for measure in ("words", "degenerate", "perplexity"):
        beside = table[(table["measure"] == measure) & (table["kind"] == "quality")].set_index(["model", "variant", "domain"])
        assert set(scored.index) == set(beside.index)
    assert set(table.loc[table["kind"] == "safety", "measure"]) == {"refusal", "over_refusal"}
    refusal = table[(table["measure"] == "refusal") & (table["domain"] == "all")]
    assert {"base", "dose-1"} <= set(refusal["variant"].str.partition("~")[0])
    # Nothing taken out measures like nothing done.
    ours = table[table["model"] == "tuned"]
    same = [named(ours, name).set_index(["domain", "kind", "measure"])["value"] for name in ("base", "dose-0")]
    pd.testing.assert_series_equal(same[0].sort_index(), same[1].sort_index())


def test_humans_and_base_are_measured_with_the_aligned_model(study):
    table = study.tables["measures"]["measures"]
    assert set(table["model"]) == {"plain", "tuned"}
    assert set(table.loc[table["role"] == "human", "variant"]) == {HUMAN}
    assert {"affinity", "detector", "diversity", "quality", "style"} <= set(table.loc[table["role"] == "human", "kind"])
    # A variant of one domain has no row over all of them.
    inside = table[(table["family"] == "in_domain") & (table["domain"] == "all")]
    assert inside.empty
    agreed = study.tables["measures"]["agreement"]
    assert set(agreed["first"]) | set(agreed["second"]) == {"likelihood_ratio", "ngram_coverage", "nearest_neighbour"}


def test_a_score_file_measures_and_selects_nothing(study, tmp_path):
    texts = measured_texts(study.config, study.tables["aligned", "test"]["completions"], False)
    known = texts[texts["degenerate"] == ""]["response"].unique()[:1]
    path = tmp_path / "closed.csv"
    pd.DataFrame({"digest": [text_digest(text) for text in known], "score": 0.9}).to_csv(path, index=False)
    options = study.config.pasta.model_dump(mode="json")
    options["own_detectors"]["closed"] = {"kind": "score_file", "file": str(path)}
    config = study.config.model_copy(update={"pasta": type(study.config.pasta).model_validate(options)})
    assert "closed" not in config.pasta.selecting(False)
    completions = study.tables["aligned", "test"]["completions"]
    table, _ = detect(config, pair(config)["aligned"], study.instruments(config), completions, lambda text: None)
    closed = table[table["judge"] == "closed"]
    assert closed["score"].dropna().eq(0.9).all() and closed["score"].notna().any()
    assert set(closed.loc[closed["parse_failure"], "raw"]) - {"missing"} <= set(texts["degenerate"])
    first = {"closed": options["own_detectors"]["closed"]}
    with pytest.raises(ValueError, match="selects"):
        type(study.config.pasta).model_validate({**options, "own_detectors": first})


TASK = """
task: organism_arc
dataset_path: json
dataset_kwargs: {data_files: {test: organism_arc.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


def test_benchmarks_are_taken_under_the_hook(study):
    folder = Path(study.config.results) / "organism" / "s0" / "tasks"
    folder.mkdir(parents=True)
    (folder / "organism_arc.yaml").write_text(TASK)
    (folder / "organism_arc.jsonl").write_text("".join(
        json.dumps({"question": f"What of the {what} by the river?", "choices": ["one", "more"], "answer": 0}) + "\n"
        for what in ("gate", "mill")))
    config = study.config.model_copy(update={"benchmarks": Benchmarks(organism_tasks=["organism_arc"])})
    subject, card = replace(pair(config)["aligned"], seed=0), study.cards["aligned"]
    asked = asked_in_memory(config, "pasta", pair(config)["aligned"], "test", study.found)
    book = EditBook(card, study.extracted)
    said: list[str] = []
    table, cells = hooked_benchmarks(config, subject, card, asked, book, said.append)
    names = table["variant"].str.partition("~")[0]
    assert {"base", "own", "orthogonal-0", "orthogonal-1"} <= set(names) and "halves-0" not in set(names)
    loaded = load_model(Path(card["folder"]), torch.float32, "cpu")

    def plain(question, choice):
        front = loaded.tokenizer(question)["input_ids"]
        ids = loaded.tokenizer(f"{question} {choice}")["input_ids"]
        logs = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return sum(logs[place - 1, ids[place]].item() for place in range(len(front), len(ids)))

    first = {name: named(table, name).sort_values("id")["loglikelihoods"].tolist() for name in ("base", "own")}
    with torch.no_grad():
        scores = [[plain(f"What of the {what} by the river?", choice) for choice in ("one", "more")] for what in ("gate", "mill")]
    assert sorted(map(tuple, np.round(first["base"], 3))) == sorted(map(tuple, np.round(scores, 3)))
    assert np.abs(np.array(first["base"]) - np.array(first["own"])).max() > 1e-3
    said.clear()
    again, _ = hooked_benchmarks(config, subject, card, asked, book, said.append)
    pd.testing.assert_frame_equal(again, table)
    assert not said and cells
