"""A pick on its way out of results: through the gate, streamed, verified, described."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from edit_kinds import head, pruned
from gate_tables import SPEC, TASKS, gate_tables
from small_study import make_card, make_config, make_subject
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.errors import ConfigError, EditError, ExportError, GateError
from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.adapter import read_adapter, write_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.saved import save_edit, saved_edit, spec_of
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.interventions.edits.weight_edit import edited_tensors
from anatomy.interventions.export import stream
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages import export as stage
from anatomy.stages.export import export_pick

FAMILY, NAME = "projection", "model.layers.1.mlp.up_proj"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"), layers=2)


def kept(folder, target, spec=SPEC):
    """An adapter as the edit stage keeps it, with its row."""
    edit = build_edit(spec, Checkpoint(folder), isotropic(64, 7))
    write_adapter(edit, target, Checkpoint(folder))
    return {"model": "mine", "family": FAMILY, "digest": edit.digest()[:16], "adapter": str(target)}


def written(folder, tables):
    """Tables as the stages before leave them."""
    folder.mkdir(exist_ok=True)
    for name in ("completions", "judgements", "samples", "variants"):
        getattr(tables, name).to_parquet(folder / f"{name}.parquet")
    tasks = [{"task": task, "metric": metric, "items": 12, "chance": 0.25} for task, metric in TASKS.items()]
    (folder / "tasks.json").write_text(json.dumps(tasks))
    return {path.stem: [path] for path in folder.iterdir()}


LEDGER = pd.DataFrame(
    {
        "claim": ["rosi.harmful_refusal.projection", "rosi.harmful_refusal.row_mean", "rosi.harmful_refusal.projection"],
        "subject": ["mine", "mine", "another"],
        "paper": "ROSI",
        "verdict": "supported",
        "low": 0.1,
        "high": 0.3,
        "n": 96,
        "estimate": [0.2, float("nan"), 0.2],
        "sentence": ["ROSI raises it.", "The other | form does.", "Elsewhere it does."],
    }
)


@pytest.fixture
def export(folder, tmp_path):
    """Calls the stage; its parts can be replaced."""
    results = tmp_path / "results"
    row = kept(folder, results / "edit" / "mine" / "adapters" / FAMILY)
    files = written(tmp_path / "tables", gate_tables())

    def call(family=FAMILY, adapters=(row,), files=files, subject=None, extraction=None, **options):
        config = make_config(results, export={"to": str(tmp_path / "out"), **options}, extraction=extraction or {})
        return export_pick(
            config, subject or make_subject(), family, make_card(folder), list(adapters), files, LEDGER, lambda text: None
        )

    call.row, call.target = row, tmp_path / "out" / f"mine-{FAMILY}"
    return call


def test_a_folder_that_transformers_opens_with_the_edit_in_it(folder, export):
    record = export()
    assert record["folder"] == str(export.target)
    tokens = torch.arange(3, 99)[None]
    source = load_tiny_model(folder)
    with torch.no_grad():
        found = load_tiny_model(export.target).model(input_ids=tokens).logits
        with applied(source, read_adapter(Path(export.row["adapter"]), Checkpoint(folder))):
            expected = source.model(input_ids=tokens).logits
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert record["logits"]["difference"] <= 1e-5 * record["logits"]["largest"] < record["logits"]["effect"]
    assert record["digest"] == Checkpoint(export.target).digest() != record["base"]["digest"] == Checkpoint(folder).digest()


def test_the_card_says_what_was_done_and_what_the_gate_saw(folder, export):
    export()
    card = (export.target / "README.md").read_text()
    assert Checkpoint(folder).digest() in card and '"method": "projection"' in card
    assert "| harmful refused: harmful_requests | rules | 0.500 | 0.500 | +0.000 |" in card
    assert "| benign refused: lookalike_requests |" in card and "| benchmark: mmlu | acc |" in card
    assert card.count("model.layers.") == 4 and "| layers edited | 0-1 |" in card
    assert "survives the cast | 1.0000 of the edit, in F32" in card
    # this variant's claims, and no others
    assert "ROSI raises it." in card and "form does" not in card and "Elsewhere" not in card
    assert "licence of the base applies" in card and not re.search(r"^license:", card, re.M)


def test_the_same_run_writes_the_same_bytes_without_date_or_place(folder, export, tmp_path):
    export()
    first = {path.name: path.read_bytes() for path in export.target.iterdir()}
    export()
    assert {path.name: path.read_bytes() for path in export.target.iterdir()} == first
    for name in ("README.md", "export.json"):
        text = first[name].decode()
        assert str(tmp_path) not in text and str(folder) not in text
        assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)


def test_a_closed_gate_writes_nothing_and_keeps_an_earlier_export(export, tmp_path):
    fallen = written(tmp_path / "fallen", gate_tables(lost=40))
    with pytest.raises(GateError, match=r"a fall of more than 0\.05 is not excluded"):
        export(files=fallen)
    assert not export.target.parent.exists()
    export()
    before = (export.target / "export.json").read_bytes()
    with pytest.raises(GateError):
        export(files=fallen)
    assert (export.target / "export.json").read_bytes() == before
    export(files=fallen, tolerance=0.5)


def test_edits_to_measure_never_leave_not_even_the_organisms(folder, export, tmp_path):
    spec = SPEC | {"sign": -1}
    row = kept(folder, tmp_path / "weakening", spec)
    subject = replace(make_subject(), seed=0, member="weak")
    with pytest.raises(GateError, match="intent measure: projection with sign -1"):
        export(adapters=[row], files=written(tmp_path / "t", gate_tables(spec=spec)), subject=subject, tolerance=1.0)
    # nor when only the adapter says so
    with pytest.raises(GateError, match="intent measure"):
        export(adapters=[row], subject=subject, tolerance=1.0)
    assert not export.target.parent.exists()


def test_numbers_about_another_edit_open_nothing(folder, export, tmp_path):
    row = kept(folder, tmp_path / "stronger", SPEC | {"strength": 2.0})
    with pytest.raises(EditError, match="expected: the edit that was evaluated"):
        export(adapters=[row])
    with pytest.raises(EditError, match="the edit that was evaluated"):
        export(adapters=[export.row | {"digest": "0" * 16}])


def test_nothing_to_export_is_said_plainly(export):
    with pytest.raises(ConfigError, match=r"export\.to: null"):
        export(to=None)
    with pytest.raises(EditError, match="no pick"):
        export(family="row_mean")
    with pytest.raises(GateError, match="adapter: not kept"):
        export(adapters=[export.row | {"adapter": "not kept"}])


def test_what_cannot_be_verified_does_not_stay(export, monkeypatch):
    """A rewriting that is wrong is found before the folder has its name."""
    real = stream.write_all
    monkeypatch.setattr(stream, "write_all", lambda file, data, to: real(file, bytes(len(data)) if to > 10**5 else data, to))
    with pytest.raises(ExportError, match="logits that differ"):
        export()
    assert list(export.target.parent.iterdir()) == []


def test_without_reload_the_card_says_so(export, monkeypatch):
    monkeypatch.setattr(stage, "compare_logits", None)
    assert export(reload=False)["logits"] is None
    assert "was not opened again" in (export.target / "README.md").read_text()


@pytest.fixture
def stacked(folder, export, tmp_path):
    """Calls the stage on the pick in a stack with saved edits; gives the stack's specs, made concrete."""
    checkpoint = Checkpoint(folder)
    specs = {}
    for name, edit in {"mask": pruned(checkpoint), "head": head(checkpoint, rank=2)}.items():
        save_edit(edit, tmp_path / "saved" / name, checkpoint)
        specs[name] = spec_of(edit, tmp_path / "saved" / name)

    def call(*names, adapters=(export.row,), **more):
        stack = [specs.get(name, SPEC) if isinstance(name, str) else name for name in names]
        tables = gate_tables()
        edited = tables.variants["detail"] != "[]"
        tables.variants.loc[edited, "detail"] = json.dumps(stack)
        return export(files=written(tmp_path / "stacked", tables), adapters=adapters, **more), stack

    call.specs = specs
    return call


@pytest.mark.parametrize("names", [("mask", "pick", "head"), ("pick", "mask"), ("mask", "pick"), ("head", "mask")])
def test_a_stack_leaves_as_a_whole(folder, export, stacked, names):
    record, stack = stacked(*names)
    source = Checkpoint(folder)
    edits = [
        saved_edit(one, source) if one["method"] == "saved" else read_adapter(Path(export.row["adapter"]), source)
        for one in stack
    ]
    assert [one["digest"] for one in record["edits"]] == [edit.digest() for edit in edits]
    found = Checkpoint(export.target)
    for name, tensor in edited_tensors(edits, source, torch.float32):
        torch.testing.assert_close(found.tensor(name), tensor, rtol=1e-6, atol=1e-6)
    assert record["logits"]["difference"] <= 1e-5 * record["logits"]["largest"] < record["logits"]["effect"]
    card, text = (
        (export.target / "README.md").read_text(),
        json.dumps(record["gate"]) + (export.target / "export.json").read_text(),
    )
    assert card.count("in the order in which they were made") == len(stack) and "Nothing was trained" not in card
    assert "saved/mask" not in text + card, "where a saved edit lay is nobody's business"


def test_one_member_to_measure_or_of_activations_keeps_the_whole_stack_here(folder, export, stacked, tmp_path):
    weakening = kept(folder, tmp_path / "weakening", SPEC | {"sign": -1})
    with pytest.raises(GateError, match="intent measure: projection with sign -1"):
        stacked("mask", SPEC | {"sign": -1}, adapters=[weakening], tolerance=1.0)
    for intent in ("control", "measure"):
        edit = sparse_edit({}, intent, Checkpoint(folder), {NAME: (torch.tensor([3]), torch.tensor([9.0]))}, [NAME])
        save_edit(edit, tmp_path / intent, Checkpoint(folder), private=intent == "measure")
        with pytest.raises(GateError, match=f"intent {intent}"):
            stacked("pick", spec_of(edit, tmp_path / intent), tolerance=1.0)
    # nor where the spec says less than the edit's own card
    with pytest.raises(EditError, match="as its spec says"):
        stacked("pick", spec_of(edit, tmp_path / "measure") | {"intent": "amplify"}, tolerance=1.0)
    hook = {"method": "add", "strength": 1.0, "direction": SPEC["direction"]}
    with pytest.raises(EditError, match="an edit of activations"):
        stacked("pick", hook)
    assert not export.target.parent.exists()


def test_picks_of_several_families_are_found_by_what_they_are(folder, export, stacked, tmp_path):
    other = SPEC | {"strength": 0.7}
    row = kept(folder, tmp_path / "other", other) | {"family": "another"}
    record, _ = stacked(other, "pick", adapters=[export.row, row])
    assert [one["digest"][:16] for one in record["edits"]] == [row["digest"], export.row["digest"]]
    with pytest.raises(EditError, match="the edit that was evaluated"):
        stacked(SPEC | {"strength": 0.9}, "pick", adapters=[export.row, row])


def test_sets_that_directions_come_from_need_no_test_split(export, tmp_path):
    """Published sets of the contrast often have none; the gate reads what was tested."""
    record = export(extraction={"harmful": "contrast_harmful", "harmless": "contrast_harmless"})
    assert record["folder"] == str(export.target)
