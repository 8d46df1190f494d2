"""Variants of several edits, of any kinds and in any order: every stage applies all of them, and judges the whole stack."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from edit_kinds import head, low_rank, pruned, trained
from pasta_study import card as own_card
from pasta_study import pair, pasta_config, write_study
from river_task import CHOICES, QUESTIONS, tasks_of_seed, write_task
from small_study import make_config, make_subject
from stacked_edits import in_turn
from tiny_model import stands_open

from anatomy.config.methods import Benchmarks
from anatomy.errors import EditError
from anatomy.interventions.edits.saved import save_edit, spec_of
from anatomy.interventions.variant import Variant
from anatomy.models.loading import load_model
from anatomy.recipes.pasta.speaking import speaking
from anatomy.recipes.rosi.stages import measure as measure_stage
from anatomy.recipes.rosi.stages.measure import in_memory_phase, measure
from anatomy.recipes.rosi.stages.screen import _under as screened
from anatomy.serving.completions import Request, in_order
from anatomy.serving.transformers_generation import stream_with_transformers
from anatomy.stages.answers import prompts_of
from anatomy.stages.evaluate import evaluate
from anatomy.stages.generate import generate, wanted
from anatomy.stages.generation_request import GenerationRequest
from anatomy.stages.hooked_benchmarks import hooked_benchmarks
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.phase import Phase, describe
from anatomy.stages.withheld import must_withhold

PLACE = {"contrast": "plain", "position": -1, "control": None}


def spoken(config, subject, card):
    """How PASTA's prompts of the test phase are put."""
    return speaking(config, subject, card, "test")


def hook(method, layer, **more):
    return {"method": method, "direction": {**PLACE, "layer": layer}, **more}


def row_mean(layer, **more):
    return {"method": "row_mean", "strength": 9.0, "sign": 1, "direction": {**PLACE, "layer": layer}, **more}


ABLATE, ADD, BEHIND = hook("ablate", 2), hook("add", 1, strength=2.0), hook("ablate", 3, sites=["block_output"])


@pytest.fixture(scope="module")
def model_edits(tiny_folder, extraction, tmp_path_factory):
    """The edits of a model of one's own, with the extraction of the same weights."""
    subject = pair(pasta_config(tmp_path_factory.mktemp("unread"), {"plain": tiny_folder, "tuned": tiny_folder}))["aligned"]
    return ModelEdits(own_card(subject, tiny_folder), extraction)


@pytest.fixture(scope="module")
def saved(model_edits, tmp_path_factory):
    """Specs of saved edits, one of each kind."""
    made = {"mask": pruned, "head": head, "adapter": trained, "rank one": lambda checkpoint: low_rank(checkpoint, seed=4)}
    found = {}
    for name, make in made.items():
        edit, folder = make(model_edits.checkpoint), tmp_path_factory.mktemp("saved") / name
        save_edit(edit, folder, model_edits.checkpoint)
        found[name] = spec_of(edit, folder)
    return found


@pytest.fixture(scope="module")
def stacks(saved):
    """Stacks of one, of several of a kind in both orders, and of mixed kinds."""
    return {
        "base": (),
        "hook": (ABLATE,),
        "hooks": (ABLATE, ADD, BEHIND),
        "hooks, other order": (BEHIND, ADD, ABLATE),
        "weights": (saved["mask"], row_mean(1), saved["adapter"]),
        "weights, other order": (saved["adapter"], row_mean(1), saved["mask"]),
        "mixed": (saved["mask"], ABLATE, row_mean(1), ADD),
        "mixed, other order": (ADD, row_mean(1), ABLATE, saved["mask"]),
        "saved": (saved["rank one"], saved["head"]),
        "hook on saved": (saved["adapter"], saved["head"], ADD),
    }


def variants_of(stacks, sets, **more):
    return {name: Variant(name, "method" if edits else "base", edits, sets, **more) for name, edits in stacks.items()}


@pytest.fixture
def study(tmp_path, tiny_folder):
    """Configuration, subject and card of a model of one's own with prefixes and requests."""
    write_study(tmp_path)
    config = pasta_config(tmp_path, {"plain": tiny_folder, "tuned": tiny_folder}, decoding={"max_new_tokens": 10})
    subject = pair(config)["aligned"]
    return config, subject, own_card(subject, tiny_folder)


def test_every_stack_is_generated_with_as_its_parts_in_turn(study, stacks, model_edits, tiny):
    config, subject, card = study
    variants = variants_of(stacks, ("prefixes",))
    asked = [GenerationRequest(variant, "document") for variant in variants.values()]
    table = generate(config, subject, card, asked, "test", model_edits, spoken(config, subject, card), lambda text: None)[
        "completions"
    ]
    batches, _ = wanted(config, subject, card, asked, "test", model_edits, spoken(config, subject, card))
    (batch,) = batches
    names = {variant.id: name for name, variant in variants.items()}
    texts = {}
    for want in batch.wants:
        requests = [Request(ids, seed) for ids, seed in prompts_of(want, tiny.tokenizer, batch.rendering)]

        def run(model, requests=requests):
            rows = stream_with_transformers(replace(tiny, model=model), requests, batch.decoding, batch_size=4)
            return [one.text for one in in_order(rows, len(requests))]

        name = names[want.labels["variant"]]
        texts[name] = in_turn(tiny, model_edits.parts(stacks[name]), run)
        found = table[table["variant"] == want.labels["variant"]].set_index("id").loc[list(want.rows["id"]), "response"]
        assert list(found) == texts[name], name
    different = {tuple(rows) for rows in texts.values()}
    assert len(different) == len(stacks), "no stack writes what another writes, and none what its first edit writes"


def test_one_edit_to_measure_withholds_the_answers_of_the_whole_stack(study, saved, model_edits):
    config, subject, card = study
    stacks = {
        "kept": (row_mean(1), saved["mask"]),
        "last": (row_mean(1), saved["mask"], ABLATE),
        "first": (hook("ablate", 2), row_mean(1)),
        "turned round": (saved["head"], row_mean(1, sign=-1)),
    }
    variants = variants_of(stacks, ("harmful_requests",)).values()
    asked = [GenerationRequest(variant, "document") for variant in variants]
    found = generate(config, subject, card, asked, "test", model_edits, spoken(config, subject, card), lambda text: None)
    table, names = found["completions"], found["variants"].set_index("variant")["slug"]
    withheld = table.groupby(table["variant"].map(names))["withheld"].agg(lambda column: column.notna().all())
    assert withheld.to_dict() == {"kept": False, "last": True, "first": True, "turned round": True}
    assert (table.loc[table["withheld"].notna(), "response"] == "").all()
    assert all(must_withhold(subject, edits, "test") == "everything" for name, edits in stacks.items() if name != "kept")


def test_every_stack_takes_the_benchmarks_as_its_parts_in_turn(study, stacks, model_edits, tiny):
    config, subject, card = study
    config = config.model_copy(update={"benchmarks": Benchmarks(organism_tasks=[write_task(tasks_of_seed(config.results))])})
    variants = variants_of(stacks, (), benchmarked=True)
    asked = [GenerationRequest(variant, "request") for variant in variants.values()]
    table, _ = hooked_benchmarks(
        config, replace(subject, seed=0), card, asked, config.pasta.benchmark_items, model_edits, lambda text: None
    )

    @torch.no_grad()
    def scores(model):
        found = []
        for question in QUESTIONS:
            for choice in CHOICES:
                front, ids = (tiny.tokenizer(text)["input_ids"] for text in (question, f"{question} {choice}"))
                logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
                found.append(sum(logs[place - 1, ids[place]].item() for place in range(len(front), len(ids))))
        return found

    every = {}
    for name, variant in variants.items():
        expected = every[name] = in_turn(tiny, model_edits.parts(stacks[name]), scores)
        found = [value for row in table.loc[table["variant"] == variant.id, "loglikelihoods"] for value in row]
        assert np.allclose(sorted(found), sorted(expected), atol=1e-4), name
    assert len({tuple(np.round(rows, 3)) for rows in every.values()}) == len(stacks)


def measured(stacks, monkeypatch, results, card, extraction, tiny, **serving):
    subject = make_subject(headline=False)
    variants = variants_of({name: edits for name, edits in stacks.items() if edits}, ("harmful_requests", "benign_requests"))
    phase = Phase("test", [(variant, list(variant.edits)) for variant in variants.values()])
    monkeypatch.setattr(measure_stage, "in_memory_phase", lambda *_arguments: phase)
    monkeypatch.setattr(measure_stage, "kept", lambda rows, *_: rows.assign(withheld="{}"))
    stands_open(monkeypatch, tiny)
    config = make_config(results, evaluation={"max_new_tokens": 8, "test_prompts": 3}, serving=serving)
    selected = {"plain": {"outcome": "picked", "position": -1, "layer": 2}}
    picks = dict.fromkeys(("row_mean", "row_mean_signed", "projection"))
    found = measure(config, subject, card, extraction, selected, picks, lambda text: None)
    return found["completions"].merge(found["variants"][["variant", "slug"]].rename(columns={"slug": "name"}), on="variant")


@pytest.mark.engine
def test_the_engine_answers_under_every_stack_as_memory_does(stacks, fresh_results, card, extraction, tiny, monkeypatch):
    from shared_engine import close_shared_engine

    close_shared_engine()
    found = {
        way: measured(stacks, monkeypatch, fresh_results, card, extraction, tiny, hooks=way) for way in ("transformers", "engine")
    }
    backends = found["engine"].groupby("name")["backend"].agg(set).to_dict()
    in_memory = {"weights", "weights, other order", "saved"}
    assert backends == {name: {"transformers" if name in in_memory else "vllm"} for name in stacks if name != "base"}
    assert set(found["transformers"]["backend"]) == {"transformers"}
    assert list(found["engine"]["response"]) == list(found["transformers"]["response"])
    answers = found["engine"].groupby("name")["response"].agg(tuple)
    assert answers.nunique() == len(answers), "every stack writes something of its own"


def test_a_stack_takes_the_selected_place_in_every_edit(monkeypatch):
    named = {"method": "ablate", "direction": {"contrast": "plain", "selected": True, "control": None}}
    other = {"method": "add", "direction": {"contrast": "plain", "selected": True, "control": ["isotropic", 0]}, "strength": 1.0}
    variants = [Variant("both", "measure", (named, other), ()), Variant("one", "control", (other,), ())]
    monkeypatch.setattr(measure_stage, "variants_in_memory", lambda *_arguments: variants)
    selected = {"plain": {"outcome": "picked", "position": -1, "layer": 2, "controls": {"isotropic-0": {"add": [-2, 1]}}}}
    (_, both), (_, one) = in_memory_phase(make_config("unused"), make_subject(), selected).variants
    assert [(edit["method"], edit["direction"]["layer"]) for edit in both] == [("ablate", 2), ("add", 1)] and one == both[1:]
    selected["plain"]["controls"]["isotropic-0"]["add"] = None
    (_, both), (_, one) = in_memory_phase(make_config("unused"), make_subject(), selected).variants
    assert [edit["method"] for edit in both] == ["ablate"] and one == []
    assert in_memory_phase(make_config("unused"), make_subject(), {"plain": {"outcome": "empty grid"}}).variants == []


@pytest.mark.parametrize(
    ("stack", "layer", "strength", "sign"),
    [
        ((), -1, 0.0, 0),
        (("mask",), -1, 0.0, 0),
        (("mask", row_mean(2)), 2, 9.0, 1),
        ((row_mean(2), "mask"), 2, 9.0, 1),
        ((row_mean(2), row_mean(2, strength=3.0)), 2, 0.0, 1),
        ((row_mean(1), row_mean(2, sign=-1)), -1, 9.0, 0),
        ((ABLATE, row_mean(2)), 2, 9.0, 1),
    ],
)
def test_a_row_of_the_variants_table_says_what_all_edits_agree_on(saved, stack, layer, strength, sign):
    edits = [saved.get(edit) if isinstance(edit, str) else edit for edit in stack]
    named = tuple({"pick": str(number)} for number in range(len(edits)))
    table = describe(make_subject(), Phase("test", [(Variant("v", "method", named, ()), edits)]))
    row = table.iloc[0]
    assert (row["layer"], row["strength"], row["sign"], row["place"]) == (layer, strength, sign, 0)
    assert json.loads(row["detail"]) == edits


def test_keys_of_a_stack_name_every_edit_in_order(model_edits, stacks):
    keys = {name: json.dumps(model_edits.keys(edits)) for name, edits in stacks.items()}
    assert len(set(keys.values())) == len(stacks)
    assert [len(model_edits.keys(edits)) for edits in stacks.values()] == [len(edits) for edits in stacks.values()]
    assert all("folder" not in key for edits in stacks.values() for key in model_edits.keys(edits))


def test_what_memory_holds_afterwards_is_the_model(model_edits, stacks, tiny_folder):
    from anatomy.stages.in_memory import edited

    loaded = load_model(tiny_folder, torch.float32, "cpu")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    for edits in stacks.values():
        with edited(loaded, model_edits, edits):
            pass
        assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())


def test_completions_of_every_stack_are_rows_of_their_own(study, stacks, model_edits):
    """The fault this guards against: a cell that names all edits with rows of its first one."""
    config, subject, card = study
    asked = [GenerationRequest(variant, "document") for variant in variants_of(stacks, ("prefixes",)).values()]
    batches, edits = wanted(config, subject, card, asked, "test", model_edits, spoken(config, subject, card))
    cells = [want.cell.name for batch in batches for want in batch.wants]
    assert len(set(cells)) == len(stacks) and [edits[name] for name in cells] == list(stacks.values())


def test_the_stage_that_serves_weights_refuses_hooks_before_it_starts(study, stacks, model_edits):
    config, subject, card = study
    variants = variants_of({name: stacks[name] for name in ("weights", "mixed")}, ("harmful_requests",))
    phase = Phase("test", [(variant, list(variant.edits)) for variant in variants.values()])
    with pytest.raises(EditError, match=r"mixed~\w+ with ablate, an edit of activations"):
        evaluate(config, subject, phase, card, model_edits, lambda text: None, target_modules=["o_proj", "down_proj"])
    assert not (Path(config.results) / "store").exists()


@pytest.mark.parametrize("name", ["mask", "adapter"])
def test_a_screen_reads_the_model_under_candidates_of_any_kind(model_edits, saved, tiny, name):
    tokens = torch.tensor([[5, 9, 20]])
    for edit in (saved[name], ABLATE, row_mean(1)):
        with torch.no_grad(), screened(tiny, model_edits, edit):
            found = tiny.model(input_ids=tokens).logits

        @torch.no_grad()
        def logits(model):
            return model(input_ids=tokens).logits

        torch.testing.assert_close(found, in_turn(tiny, model_edits.parts([edit]), logits))
