"""Edits made by scoring weights or by training, saved as data, and not made twice."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from edit_makers import (
    MAKERS,
    called,
    careful_reader,
    drawn_head,
    makes_no_edit,
    nothing_to_keep,
    of_another_model,
    peeks_at_the_test_split,
    reads_every_file,
    scored_mask,
    trained_adapter,
)
from small_study import make_card, make_config, make_subject, write_prompts
from tiny_model import make_tiny_model

from anatomy.config.options import options, restore
from anatomy.errors import ConfigError, DataError, EditError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.saved import load_edit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.make_edit import RECORD, make_edit
from anatomy.store.files import read_json
from anatomy.store.journal import count


@pytest.fixture
def study(tmp_path, card):
    """Makes an edit in a folder of the test's own; anything can be replaced."""
    write_prompts(tmp_path)
    called.clear()

    def make(maker, *, card=card, subject=None, config=None, **more):
        said = []
        spec = make_edit(
            config or make_config(tmp_path), subject or make_subject(), card, maker, tmp_path / "edit", said.append, **more
        )
        make.said = said
        return spec

    make.folder, make.results = tmp_path / "edit", tmp_path
    return make


def test_a_maker_that_reads_files_alone_opens_no_model(study, tmp_path, monkeypatch):
    """Of a model that no GPU of the job would hold, a mask that was scored before, or a head, is still made."""

    def opening(card):
        raise AssertionError("the model was opened")

    monkeypatch.setattr("anatomy.stages.make_edit.opened", opening)
    study(drawn_head)
    with pytest.raises(AssertionError, match="was opened"):
        study(scored_mask)


@pytest.mark.parametrize("name", MAKERS)
def test_what_a_maker_made_is_an_edit_like_any_other(study, card, tiny, logits_of, name):
    spec = study(MAKERS[name])
    assert set(spec) == {"method", "folder", "digest", "intent"} and spec["method"] == "saved"
    edit = load_edit(study.folder, Checkpoint(Path(card["folder"])))
    assert edit.digest() == spec["digest"]
    plain = logits_of(tiny)
    with applied(tiny, edit):
        assert (logits_of(tiny) - plain).abs().max() > 1e-3
    report = read_json(study.folder / RECORD)["report"]
    assert 0 < report["relative_norm"] <= report["largest_relative_norm"] < 2 and 0.9 < report["surviving_share"] < 1.1
    assert any("survives bfloat16" in line for line in study.said)


def test_a_trained_adapter_is_what_peft_computes(study, card, tiny_folder, tiny, logits_of):
    from peft import PeftModel
    from tiny_model import load_tiny_model

    study(trained_adapter)
    edit = load_edit(study.folder, Checkpoint(Path(card["folder"])))
    assert isinstance(edit, LowRankEdit) and edit.card.rank == 2 and len(edit.factors) == 2 * tiny.num_layers
    with applied(tiny, edit):
        in_memory = logits_of(tiny)
    other = load_tiny_model(tiny_folder)
    through_peft = logits_of(replace(other, model=PeftModel.from_pretrained(other.model, study.folder)))
    assert (through_peft - in_memory).abs().max() <= 1e-5 * in_memory.abs().max()


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_made_once_and_the_same_seed_makes_the_same(study, name):
    first = study(MAKERS[name])
    starts = count(study.results / "store")["starts"]
    assert study(MAKERS[name]) == first and called == [name] and starts == 1
    assert count(study.results / "store")["starts"] == 1, "no model is opened for what is there"
    (study.folder / RECORD).unlink()
    assert study(MAKERS[name]) == first and called == [name, name]


@pytest.mark.parametrize("change", ["bound value", "option", "seed", "model", "prompts", "file", "damage", "other kind"])
def test_whatever_decides_an_edit_makes_it_again(study, card, change, tmp_path):
    table = tmp_path / "table.parquet"
    pd.DataFrame({"scale": [5.0]}).to_parquet(table)
    config = make_config(tmp_path, evaluation={"max_new_tokens": 3})
    study(careful_reader, files={"table": [table]}, config=config)
    assert study(careful_reader, files={"table": [table]}, config=config) and called == ["reader"]
    more = {"files": {"table": [table]}, "config": config}
    maker = careful_reader
    if change == "bound value":
        maker = functools.partial(scored_mask, share=0.2)
    elif change == "option":
        more["config"] = make_config(tmp_path, evaluation={"max_new_tokens": 4})
    elif change == "seed":
        more["seed"] = 1
    elif change == "model":
        more["card"] = make_card(make_tiny_model(tmp_path / "other", seed=5))
    elif change == "prompts":
        write_prompts(tmp_path, benign_requests=("benign", "Please say something else of {}"))
    elif change == "file":
        pd.DataFrame({"scale": [6.0]}).to_parquet(table)
    elif change == "damage":
        (study.folder / "edit.safetensors").write_bytes(b"no tensors")
    else:
        maker = trained_adapter
    study(maker, **more)
    assert len(called) == 2
    assert study(maker, **more) and len(called) == 2, "made again it stays made"
    if change == "other kind":
        study(careful_reader, files={"table": [table]}, config=config)
        edit = load_edit(study.folder, Checkpoint(Path(card["folder"])))
        assert isinstance(edit, SparseEdit), "no file of the adapter is left to be read instead"


def test_what_does_not_decide_it_makes_nothing_again(study, tmp_path):
    """Prompts that the maker never read, and files of the folder that is looked at from elsewhere."""
    study(scored_mask)
    write_prompts(tmp_path, benign_requests=("benign", "Please say something else of {}"))
    study(scored_mask)
    assert called == ["mask"]


def test_sections_that_the_rule_names_count_and_no_others(study, tmp_path):
    def named(**changes):
        return restore(options(make_config(tmp_path, **changes), "evaluation", "results"))

    study(scored_mask, config=named())
    study(scored_mask, config=named(extraction={"safety_system_prompt": "Be kinder."}))
    assert called == ["mask"]
    study(scored_mask, config=named(evaluation={"max_new_tokens": 5}))
    assert called == ["mask", "mask"]


def test_a_maker_is_given_every_file_of_an_input_and_each_of_them_counts(study, card, tmp_path):
    tables = [tmp_path / f"{n}.parquet" for n in range(3)]
    for n, table in enumerate(tables):
        pd.DataFrame({"scale": [float(n)]}).to_parquet(table)
    study(reads_every_file, files={"tables": tables})
    edit = load_edit(study.folder, Checkpoint(Path(card["folder"])))
    assert isinstance(edit, SparseEdit) and edit.places["model.layers.0.mlp.up_proj"][1].tolist() == [0.0, 1.0, 2.0]
    pd.DataFrame({"scale": [7.0]}).to_parquet(tables[2])
    study(reads_every_file, files={"tables": tables})
    study(reads_every_file, files={"tables": tables[::-1]})
    assert called == ["every"] * 3, "the last file of several decides too, and so does their order"


@pytest.mark.parametrize("files", [{}, {"table": []}, {"table": ["a", "b"]}])
def test_one_file_is_asked_for_where_there_is_not_one(study, files, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).touch()
    with pytest.raises(EditError, match="expected: one file"):
        study(careful_reader, files={name: [tmp_path / path for path in paths] for name, paths in files.items()})


def test_the_test_split_is_not_for_making(study):
    with pytest.raises(DataError, match="the test split is read once"):
        study(peeks_at_the_test_split)


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        (makes_no_edit, "a LowRankEdit, SparseEdit or HeadEdit"),
        (functools.partial(drawn_head, intent="measure"), "intent measure"),
    ],
)
def test_what_may_not_be_saved_leaves_nothing(study, maker, message):
    with pytest.raises(EditError, match=message):
        study(maker)
    assert not study.folder.exists() or not list(study.folder.iterdir())


def test_a_maker_may_find_that_there_is_no_edit_to_keep(study):
    assert study(scored_mask) is not None and study(nothing_to_keep) is None
    assert not (study.folder / RECORD).exists() and not list(study.folder.glob("*.safetensors")), "an earlier edit is gone"


def test_an_edit_to_measure_of_the_organism_is_kept_and_says_so(study):
    grown = replace(make_subject(), seed=0, member="weak")
    path = study.results / "organism" / "s0" / "prompts"
    path.parent.mkdir(parents=True)
    assert study(functools.partial(drawn_head, intent="measure"), subject=grown)["intent"] == "measure"


def test_an_edit_of_another_model_is_refused(study, tmp_path):
    other = make_tiny_model(tmp_path / "other", seed=5)
    with pytest.raises(EditError, match="an edit for model"):
        study(functools.partial(of_another_model, folder=str(other)))
    assert not (study.folder / RECORD).exists()


def test_a_maker_whose_code_cannot_be_compared_is_refused(study):
    with pytest.raises(ConfigError, match="a function of a module"):
        study(lambda given: scored_mask(given))


def test_the_record_names_no_place_of_this_machine_but_the_folder(study, tmp_path):
    study(scored_mask)
    kept = read_json(study.folder / RECORD)
    assert kept["spec"].pop("folder") == str(study.folder)
    assert str(tmp_path) not in json.dumps(kept)


@pytest.fixture
def logits_of():
    def run(loaded):
        with torch.no_grad():
            return torch.stack(
                [loaded.model(input_ids=torch.tensor([ids])).logits[0, -1] for ids in ([5, 9, 20], [7, 8, 30, 41])]
            )

    return run
