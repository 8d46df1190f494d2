"""The mechanism battery through Snakemake on the quick run: one model in memory, every instrument, a page of its own."""

import pandas as pd
import pytest

from anatomy.evidence.claims.claim import Verdict

pytestmark = pytest.mark.workflow


@pytest.fixture
def run(papers_run):
    return papers_run


def test_it_has_a_page_of_its_own_with_an_atlas_a_model(run):
    page = (run.results / "mechanisms" / "report.html").read_text()
    assert page.count("Where each instrument says that refusal sits") >= 2
    ledger = pd.read_parquet(run.results / "mechanisms" / "claims" / "ledger.parquet")
    assert len(ledger) == 2 * ledger["claim"].nunique() and set(ledger["verdict"]) <= {str(verdict) for verdict in Verdict}


def test_patches_of_the_whole_stream_bring_the_metric_and_of_the_shared_tokens_nothing(run):
    rows = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.patching.parquet")
    streams = rows[rows["part"] == "stream"]
    last = streams[(streams["column"] == -1) & (streams["layer"] == streams["layer"].max())]
    assert (last["recovery"] - 1).abs().max() < 0.25 and len(last) == 2 * last["id"].nunique()
    first = streams[streams["column"] == streams.groupby("id")["column"].transform("min")]
    assert first["recovery"].abs().max() < 1e-3


def test_paths_and_exchanges_are_read_on_the_pairs_of_patching_and_agree_with_it(run):
    rows, paths, exchanged = (
        pd.read_parquet(run.results / "measure" / "aligned.s0" / f"mechanisms.{name}.parquet")
        for name in ("patching", "paths", "interchange")
    )
    assert set(paths["id"]) == set(exchanged["id"]) == set(rows["id"])
    whole = paths[paths["path"] == "total"].set_index(["sender_layer", "sender_head", "way", "id"])["recovery"]
    heads = rows[rows["part"] == "head"].set_index(["layer", "head", "way", "id"])["recovery"]
    assert (whole - heads.reindex(whole.index)).abs().max() < 1e-4
    streams = rows[rows["part"] == "stream"].set_index(["layer", "column", "way", "id"])["recovery"]
    all_of_it = exchanged[exchanged["subspace"] == "whole"].set_index(["layer", "column", "way", "id"])["recovery"]
    assert (all_of_it - streams.reindex(all_of_it.index)).abs().max() < 1e-4


def test_probes_read_groups_that_they_have_not_seen(run):
    aurocs = pd.read_csv(run.results / "mechanisms" / "tables" / "aurocs.csv")
    assert set(aurocs["model"]) == {"aligned.s0", "base.s0"} and aurocs["auroc"].between(0, 1).all()
    places = pd.read_csv(run.results / "mechanisms" / "tables" / "places.csv")
    same = aurocs[(aurocs["probe"] == "difference_of_means") & aurocs["control"].isna()].set_index(["model", "layer"])["auroc"]
    last = places[(places["position"] == -1) & places["control"].isna()].set_index(["model", "layer"])["auroc"]
    assert (last - same.reindex(last.index)).abs().max() < 1e-9 and places["position"].nunique() > 2
    assert (places["low"] <= places["auroc"]).all() and (places["auroc"] <= places["high"]).all()


def test_the_answer_comes_first_in_the_end_and_openers_are_no_refusals(run):
    rows = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.lens.parquet")
    last = rows[rows["layer"] == rows["layer"].max()]
    assert (last["answer_rank"] == 1).all() and (last["answer_probability"] >= last["opener_probability"] - 1e-6).mean() > 0.5
    tokens = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.lens_tokens.parquet")
    kinds = tokens.groupby("kind")["token"].agg(set)
    assert not (kinds["refusal"] & kinds["opener"]) and not ((kinds["refusal"] | kinds["opener"]) & kinds["random"])


def test_directions_stand_beside_those_of_the_base_and_shifts_of_every_test_prompt(run):
    folder = run.results / "measure" / "aligned.s0"
    angles = pd.read_parquet(folder / "mechanisms.angles.parquet")
    names = {*angles["one"], *angles["two"]}
    assert {"refusal", "harmfulness", "refusal of the base", "probe", "random"} <= names
    assert angles["cosine"].dropna().between(-1.0001, 1.0001).all()
    shifts = pd.read_parquet(folder / "mechanisms.shifts.parquet")
    assert set(shifts["variant"]) == {"naive", "template", "within", "difference"} and set(shifts["side"]) == {
        "harmful",
        "harmless",
    }
    assert pd.read_parquet(run.results / "measure" / "base.s0" / "mechanisms.shifts.parquet").empty
    kinds = pd.read_csv(run.results / "mechanisms" / "tables" / "kinds.csv")
    assert set(kinds["model"]) == {"aligned.s0", "base.s0"} and kinds["first_share"].dropna().between(0, 1).all()


def test_features_are_faithful_to_a_degree_that_is_told_and_steer_beside_controls(run):
    table = pd.read_csv(run.results / "mechanisms" / "tables" / "fidelity.csv")
    assert (table["active"] <= 16).all() and (table["clean"] < table["mean"]).all() and (table["recovered"] < 1.1).all()
    steered = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.feature_steering.parquet")
    assert set(steered["kind"]) == {"direction", "nearest", "random"} and set(steered["dose"]) == {-1.0, 0.0, 1.0}


def test_facts_are_patched_and_rewritten_and_the_new_object_is_said_more(run):
    patches = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.fact_patches.parquet")
    first = patches[(patches["part"] == "stream") & (patches["layer"] == 0)]
    assert first["recovery"].mean() > 0.5  # the name is all that the two statements differ in
    edits = pd.read_parquet(run.results / "measure" / "aligned.s0" / "mechanisms.fact_edits.parquet")
    said = edits[(edits["measure"] == "efficacy") & (edits["under"] == "") & (edits["layer"] == 0)]
    rise = (said["after"] - said["before"]).groupby(said["kind"]).mean()
    assert rise["fact"] > 0 and rise["fact"] > rise["random key"]
