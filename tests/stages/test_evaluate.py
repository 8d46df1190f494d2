"""The evaluation stage on edits of every kind: one start, rows that stay, and edits that did nothing said aloud."""

import pytest
from edit_kinds import head, pruned
from shared_engine import close_shared_engine
from small_study import make_config, write_prompts

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.saved import save_edit, spec_of
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.interventions.variant import Variant
from anatomy.models.loading import load_model
from anatomy.models.rendering import render
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.evaluate import evaluate
from anatomy.stages.manifest import fallbacks
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.phase import VARIANT_COLUMNS, Phase
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.store.journal import count, read_journal

pytestmark = pytest.mark.engine
SETS = ("harmful_requests", "benign_requests")


def saved(edit, folder, checkpoint):
    save_edit(edit, folder, checkpoint)
    return spec_of(edit, folder)


def row_mean(layer):
    return {
        "method": "row_mean",
        "strength": 9.0,
        "sign": 1,
        "direction": {"contrast": "plain", "position": -1, "layer": layer, "control": None},
    }


@pytest.fixture
def study(card, extraction, tmp_path):
    """Configuration, edits of each kind by name, and the model_edits that builds them."""
    import torch

    write_prompts(tmp_path)
    config = make_config(tmp_path, evaluation={"max_new_tokens": 8}, benchmarks={"tasks": []}, serving={"max_model_len": 256})
    model_edits = ModelEdits(card, extraction)
    name = "model.layers.0.mlp.up_proj"
    speck = torch.tensor([0]), model_edits.checkpoint.tensor(f"{name}.weight").view(-1)[:1] * (1 + 1e-6)
    nothing = sparse_edit({"method": "nothing"}, "amplify", model_edits.checkpoint, {name: speck}, [name])
    stacks = {
        "base": [],
        "rank one": [row_mean(1)],
        "stack": [row_mean(1), row_mean(2)],
        "mask": [saved(pruned(model_edits.checkpoint), tmp_path / "mask", model_edits.checkpoint)],
        "head": [saved(head(model_edits.checkpoint), tmp_path / "head", model_edits.checkpoint), row_mean(2)],
        "nothing": [saved(nothing, tmp_path / "nothing", model_edits.checkpoint)],
    }
    return config, stacks, model_edits


def test_edits_of_every_kind_are_evaluated_on_one_start(study, subject, card, tiny_folder):
    close_shared_engine()
    config, stacks, model_edits = study
    lines = []
    variants = {name: Variant(name, "method" if stack else "base", tuple(stack), SETS) for name, stack in stacks.items()}
    phase = Phase("test", [(variants[name], stack) for name, stack in stacks.items()])
    tables = evaluate(config, subject, phase, card, model_edits, lines.append, target_modules=["o_proj", "down_proj"])
    completions = tables["completions"]
    assert len(completions) == len(stacks) * 2 * 4 and completions["variant"].nunique() == len(stacks)
    assert list(tables["variants"].columns) == [*VARIANT_COLUMNS, "unchanged"]
    flagged = tables["variants"].set_index("variant")["unchanged"]
    assert flagged[flagged].index.tolist() == [variants["nothing"].id]
    assert sum(line.startswith("WARNING") and variants["nothing"].id in line for line in lines) == 1

    import torch

    loaded, decoding = load_model(tiny_folder, torch.float32, "cpu"), Decoding(8, 0.0)
    for name, stack in stacks.items():
        for one in SETS:
            prompts = phase_prompts_of(config, subject, one)
            tokens = render(loaded.tokenizer, list(prompts["prompt"]), answer_rendering(config.evaluation, subject))
            with applied(loaded, *model_edits.weight_edits(stack)) as edited:
                expected = [row.text for row in generate_with_transformers(edited, tokens, decoding, batch_size=1)]
            rows = completions[(completions["variant"] == variants[name].id) & (completions["set"] == one)].set_index("id")
            assert rows.loc[list(prompts["id"]), "response"].tolist() == expected, name

    store = tables_store(config)
    journal = read_journal(store)
    assert count(store) == {"starts": 1, "rows": len(completions)}
    assert [row["asked"] for row in fallbacks(journal)] == ["adapter"], "the stack, above the engine's rank"
    again = evaluate(config, subject, phase, card, model_edits, lines.append, target_modules=["o_proj", "down_proj"])
    assert again["completions"].equals(completions) and count(store) == {"starts": 1, "rows": len(completions)}


def test_an_edit_that_does_nothing_is_told_in_every_bucket(study, subject, card):
    """The unedited model is served by another job; its answers are computed once, by whichever job comes first."""
    close_shared_engine()
    config, stacks, model_edits = study
    variants = {name: Variant(name, "method" if stack else "base", tuple(stack), SETS) for name, stack in stacks.items()}

    def bucket(*names, base=True):
        elsewhere = (variants["base"],) if base else ()
        phase = Phase("test", [(variants[name], stacks[name]) for name in names], elsewhere)
        return evaluate(config, subject, phase, card, model_edits, lines.append, target_modules=["o_proj", "down_proj"])

    lines, rows = [], 2 * 4
    tables = bucket("rank one", "nothing")
    flagged = tables["variants"].set_index("variant")["unchanged"]
    assert flagged[flagged].index.tolist() == [variants["nothing"].id]
    assert variants["base"].id not in set(tables["completions"]["variant"]), "its table is the other job's"
    assert count(tables_store(config)) == {"starts": 1, "rows": 3 * rows}
    plain = bucket("base", base=False)
    assert not plain["variants"]["unchanged"].any() and count(tables_store(config))["rows"] == 3 * rows, "computed once"
    assert set(plain["cells"]) < set(tables["cells"])
    only_base_elsewhere = bucket()
    assert only_base_elsewhere["variants"].empty


def test_in_a_search_no_help_of_an_edited_real_model_reaches_the_disk(study, subject, card):
    config, stacks, model_edits = study
    assert not subject.is_organism
    variants = {name: Variant(name, "method" if stack else "base", tuple(stack), SETS) for name, stack in stacks.items()}
    phase = Phase("select", [(variants[name], stacks[name]) for name in ("base", "rank one")])
    tables = evaluate(config, subject, phase, card, model_edits, print, target_modules=["o_proj", "down_proj"])
    table = tables["completions"]
    # A random model refuses nothing: all that it writes to harmful requests counts as help.
    gone = table[(table["variant"] == variants["rank one"].id) & (table["set"] == "harmful_requests")]
    assert len(gone) == 4 and (gone["response"] == "").all() and gone["withheld"].notna().all() and (gone["n_tokens"] > 0).all()
    assert table.drop(gone.index)["withheld"].isna().all() and (table.drop(gone.index)["response"] != "").all()
    stored = [cell_rows(config, cell) for cell in tables["cells"]]
    assert sum((rows["response"] == "").sum() for rows in stored) == 4


def cell_rows(config, cell):
    import pandas as pd

    return pd.concat([pd.read_parquet(path) for path in sorted(tables_store(config).rglob(f"*{cell}*/*.parquet"))])


def phase_prompts_of(config, subject, name):
    from anatomy.config.study import Layout

    return phase_prompts(Layout(config.results), subject, name, "test", config.evaluation.test_prompts)


def tables_store(config):
    from pathlib import Path

    return Path(config.results) / "store"
