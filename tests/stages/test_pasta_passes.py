"""PASTA's passes on two tiny models: what is generated, extracted and found, and what a second run costs."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from pasta_passes import REFUSAL, named, texts
from pasta_study import pair
from small_study import THINGS

from anatomy.errors import DataError, ModelError
from anatomy.interventions.directions.signature import cosines
from anatomy.recipes.pasta.stages.signature import check_pair, extract_signature
from anatomy.recipes.pasta.stages.signature_weights import weight_gaps
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.digest import named_digest
from anatomy.texts.authors import HUMAN


def test_each_side_continues_the_same_prefixes_in_its_own_manner(passes):
    base, aligned = (passes.tables[role, "fit"] for role in ("base", "aligned"))
    assert set(texts(base, "base")) == set(texts(aligned, "base")) == set(texts(base, HUMAN))
    assert texts(aligned, "base") != texts(aligned, "as-document")
    prompts = base["completions"].set_index("id")["prompt"]
    assert list(prompts) == [f"A note about {prefix(name)}:" for name in prompts.index]


def prefix(name):
    phase, _, number = name.partition("/")[2].partition("-")
    return f"{THINGS[int(number)]} in {phase}"


def test_contrasts_are_extractions_like_any_other(passes):
    extracted = ModelDirections(passes.extracted)
    others = {"template_free", "template_only", "same_text", "same_input", "without_refusal"}
    assert set(passes.signature["contrasts"]) == {"signature", *others} and set(passes.found["contrasts"]) == others
    for name in passes.signature["contrasts"]:
        assert extracted.candidates(name).vectors.shape == (2, 5, 64)
    unit = extracted.unit({"contrast": "signature", "position": 0, "layer": 3, "control": None})
    for family, number in (("orthogonal", 1), ("equal_variance", 0)):
        control = extracted.unit({"contrast": "signature", "position": 0, "layer": 3, "control": [family, number]})
        assert abs((unit @ control).item()) < 1e-5
    inside = [extracted.directions("signature", ["domain", number]).vectors[1].double() for number in range(2)]
    assert cosines(inside[0][1:], inside[1][1:]).min() > 0.5  # parts of one signature


def test_the_refusal_direction_is_taken_out_layer_by_layer(passes):
    model_edits = ModelDirections(passes.extracted)
    whole, left = (model_edits.candidates(name).vectors.double() for name in ("signature", "without_refusal"))
    refusal = torch.nn.functional.normalize(REFUSAL.vectors[0].double(), dim=-1)
    assert (left[:, :4] * refusal).sum(-1).abs().max() < 1e-6 * whole.norm(dim=-1).max()
    along = (whole[:, :4] * refusal).sum(-1, keepdim=True) * refusal
    torch.testing.assert_close(left[:, :4] + along, whole[:, :4], rtol=1e-5, atol=1e-6)
    assert not left[:, 4].any()  # behind the last block nothing is known of refusal
    geometry = pd.read_parquet(passes.extracted / "geometry.parquet")
    known = geometry[(geometry["quantity"] == "cosine_refusal") & (geometry["position"] == 0)]
    assert list(known["layer"]) == [0, 1, 2, 3]


def test_geometry_and_writers_are_tidy(passes):
    geometry = pd.read_parquet(passes.extracted / "geometry.parquet")
    assert not geometry.duplicated(["quantity", "contrast", "other", "number", "position", "layer", "other_layer"]).any()
    removed = geometry[(geometry["quantity"] == "removed") & (geometry["other"] == "equal_variance") & (geometry["layer"] > 0)]
    assert removed["value"].between(0.0, 1.001).all()  # less than 1 where nothing beside the signature holds as much
    layers = geometry[geometry["quantity"] == "cosine_layers"].pivot(index="layer", columns="other_layer", values="value")
    assert layers.loc[2, 2] == pytest.approx(1.0)
    # What heads and MLPs write, with the embedding's share, is the signature's norm: the projection on itself.
    writers = pd.read_parquet(passes.extracted / "writers.parquet")
    norms = geometry[(geometry["quantity"] == "norm") & (geometry["contrast"] == "signature") & (geometry["position"] == 0)]
    model_edits = ModelDirections(passes.extracted).candidates("signature")
    unit = model_edits.unit(0, 4).double()
    embedding = (model_edits.vector(0, 0).double() @ unit).item()
    total = writers.loc[writers["direction_layer"] == 4, "value"].sum() + embedding
    assert total == pytest.approx(norms.loc[norms["layer"] == 4, "value"].item(), rel=1e-3)


def test_search_covers_layers_and_picks_one_for_each_detector(passes):
    assert set(passes.found["layers"]) == set(passes.config.pasta.own_detectors)
    assert set(passes.found["layers"].values()) <= {1, 4}
    layers = passes.tables["localize"]["layers"]
    whole = layers[(layers["family"] == "sweep") & (layers["category"] == "") & (layers["control"] == "")]
    assert (whole.groupby("detector")["share"].sum() - 1).abs().max() < 1e-9
    assert {"orthogonal", ""} == set(layers[layers["family"] == "sweep"]["control"])
    assert set(passes.found["domains"]) == {"essays", "news"}


def test_nothing_taken_out_changes_nothing_and_the_signature_changes_texts(passes):
    table = passes.tables["aligned", "test"]
    assert texts(table, "dose-0") == texts(table, "base")
    detector = passes.config.pasta.selecting(False)[0]
    assert texts(table, f"pasta@{detector}") == texts(table, "dose-1")
    assert texts(table, "dose-1") != texts(table, "base")
    assert texts(table, "own") != texts(table, "dose-1")


def test_an_edit_of_weights_writes_what_hooks_behind_the_writers_write(passes):
    table = passes.tables["aligned", "test"]
    assert texts(table, "weights") == texts(table, "site-writes")  # sampled token by token from the same seeds
    subject = pair(passes.config)["aligned"]
    model_edits = ModelEdits(passes.cards["aligned"], passes.extracted)
    gaps = weight_gaps(passes.config, subject, passes.cards["aligned"], model_edits, passes.found, lambda text: None)
    equivalent = gaps.set_index("matrices").iloc[:2]
    assert (equivalent["gap"] < 1e-3).all()
    assert gaps["gap"].iloc[2] > 10 * equivalent["gap"].max()  # without the embedding it is no equal of all three sites


def test_answers_to_requests_under_ablation_are_withheld_and_continuations_kept(passes):
    table, variants = (passes.tables["aligned", "test"][name] for name in ("completions", "variants"))
    ablated = named(table, variants, "dose-1")
    assert ablated.loc[ablated["set"] != "prefixes", "response"].eq("").all()
    assert ablated.loc[ablated["set"] != "prefixes", "withheld"].notna().all()
    assert ablated.loc[ablated["set"] == "prefixes", "withheld"].isna().all()
    assert named(table, variants, "base")["withheld"].isna().all()


@pytest.mark.parametrize("phase", ["select", "test"])
def test_an_id_is_the_digest_of_the_edits_that_were_made(passes, phase):
    table = passes.tables["aligned", phase]["variants"]
    edited = table[(table["role"] != "base") & (table["family"] != "template")]
    assert len(edited) > 10 and not table["slug"].duplicated().any()
    assert list(edited["variant"]) == [named_digest(row.slug, json.loads(row.detail)) for row in edited.itertuples()]


def test_a_second_run_computes_nothing(passes):
    store = Path(passes.config.results) / "store"
    before = sorted(path.name for path in store.rglob("*.parquet"))
    again = passes.generate("aligned", "test")
    assert sorted(path.name for path in store.rglob("*.parquet")) == before
    pd.testing.assert_frame_equal(again["completions"], passes.tables["aligned", "test"]["completions"])


def test_a_base_with_other_tokens_is_refused(passes, tiny):
    vocabulary = {**tiny.tokenizer.get_vocab(), "river": 3}
    with pytest.raises(ModelError, match="other ids"):
        check_pair(vocabulary, tiny, passes.cards)


def test_a_side_without_texts_is_named(passes):
    subjects = pair(passes.config)
    generated = {role: passes.tables[role, "fit"]["completions"].assign(response="") for role in passes.cards}
    with pytest.raises(DataError, match="plain, base"):
        extract_signature(
            passes.config, subjects, passes.cards, generated, REFUSAL, passes.extracted / "none.json", lambda text: None
        )


@pytest.mark.parametrize(
    ("role", "phase"), [("base", "fit"), ("aligned", "fit"), ("aligned", "select"), ("base", "test"), ("aligned", "test")]
)
def test_the_plan_counts_what_was_generated(passes, role, phase):
    """Searches inside a domain are not planned, and a search that ends without an operating point asks for less."""
    from anatomy.costs.lengths import ASSUMED
    from anatomy.costs.prompts import PromptCounts, planned_prompts
    from anatomy.recipes.pasta.work import stage_work as pasta_work

    config = passes.config.model_copy(update={"recipes": ["pasta"]})
    subject = pair(config)[role]
    counts = PromptCounts(planned_prompts(config, subject, {}, tokenizers=False).rows, ASSUMED)
    work = pasta_work(config, subject, counts, num_layers=4, entries={})[f"pasta.{phase}"]
    table = passes.tables[role, phase]
    planned = set(table["variants"].loc[~table["variants"]["family"].isin(["in_domain"]), "variant"])
    generated = table["completions"][table["completions"]["variant"].isin(planned) & (table["completions"]["variant"] != HUMAN)]
    assert len(generated) <= work.answers <= 1.6 * len(generated)
    assert generated["n_tokens"].sum() <= work.written
