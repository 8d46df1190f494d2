"""What a change does is measured on the original in memory, beside controls of equal norm and rank."""

import random

import pandas as pd
import pytest
import torch
from audited_checkpoints import fine_tuned, masked, merged_adapter, rank_one, unit
from river_task import write_task
from safetensors.torch import save_file
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.audit.__main__ import main
from anatomy.audit.behaviour import edited_change
from anatomy.audit.controls import control_changes
from anatomy.audit.questions import read_questions
from anatomy.audit.weights import audit_weights
from anatomy.errors import EditError
from anatomy.interventions.edits.apply import changed_tensors
from anatomy.models.checkpoint import Checkpoint

MADE = {
    "rank one": lambda source, folder: rank_one(source, "projection", 1, folder, strength=0.5),
    "adapter": lambda source, folder: merged_adapter(source, folder, rank=3),
    "mask": masked,
    "fine-tune": fine_tuned,
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return Checkpoint(make_tiny_model(tmp_path_factory.mktemp("models") / "original", layers=2))


@pytest.fixture(scope="module", params=MADE)
def edited(request, original, tmp_path_factory):
    return MADE[request.param](original, tmp_path_factory.mktemp("models") / "edited")


def test_the_audited_change_in_memory_is_the_audited_model(original, edited):
    audit, loaded, other = audit_weights(original, edited), load_tiny_model(original.folder), load_tiny_model(edited.folder)
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}
    with changed_tensors(loaded, {one.pair.name: edited_change(one.pair) for one in audit.changed}):
        found = dict(loaded.model.named_parameters())
        assert all(torch.equal(found[name], weight) for name, weight in other.model.named_parameters())
    assert all(torch.equal(before[name], weight) for name, weight in loaded.model.named_parameters())


def test_a_control_is_as_large_and_of_the_same_rank(original, edited):
    audit, loaded = audit_weights(original, edited, factors=True), load_tiny_model(original.folder)
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}
    with changed_tensors(loaded, control_changes(audit.changed, audit.shared, seed=1)):
        change = {name: (weight - before[name]).double() for name, weight in loaded.model.named_parameters()}
    assert {name for name, delta in change.items() if delta.any()} == {one.pair.name for one in audit.changed}
    for one in audit.changed:
        delta = change[one.pair.name]
        if "mask" in one.kind:
            assert int((delta != 0).sum()) == round(one.difference.changed * delta.numel())
            continue
        assert abs(delta.norm().item() / one.difference.norm - 1) < 1e-3
        if one.spectrum is not None and one.spectrum.exact:
            values = torch.linalg.svdvals(delta)
            assert int((values > 1e-4 * values[0]).sum()) == one.spectrum.rank


def test_a_control_of_a_write_edit_writes_along_one_other_direction(original, tmp_path):
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=0.5)
    audit = audit_weights(original, edited, factors=True)
    loaded = load_tiny_model(original.folder)
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}
    with changed_tensors(loaded, control_changes(audit.changed, audit.shared, seed=1)):
        written = [
            torch.linalg.svd((weight - before[name]).double()).U[:, 0]
            for name, weight in loaded.model.named_parameters()
            if not torch.equal(weight, before[name])
        ]
    assert len(written) == 4 and all(abs(torch.dot(written[0], one)) > 0.999 for one in written)
    assert abs(torch.dot(written[0], audit.axis)) < 0.6


def test_a_name_that_memory_does_not_know_is_refused(original):
    loaded = load_tiny_model(original.folder)
    with pytest.raises(EditError, match="no tensor nothing"), changed_tensors(loaded, {"nothing": lambda weight: weight}):
        pass


@pytest.fixture
def pairs(tmp_path):
    """Prompts of made-up words, which overlap no more than chance."""
    drawn = random.Random(0)

    def prompt(beginning):
        words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(3, 8))) for _ in range(6)]
        return f"{beginning} {' '.join(words)}"

    rows = [f"{prompt('Mix')},{prompt('Write')}" for _ in range(60)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["harmful,harmless", *rows]))
    return path


def test_the_command_leaves_one_page_and_its_tables(original, tmp_path, pairs, capsys):
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=2.0)
    asked = ["--original", str(original.folder), "--edited", str(edited.folder), "--to", str(tmp_path / "out")]
    few = ["--prompts", "6", "--tokens", "3", "--controls", "2", "--dtype", "float32", "--date", "2026-01-01"]
    assert main([*asked, "--pairs", str(pairs), *few]) == 0
    said = capsys.readouterr().out
    assert "rank-one write edit: amplification" in said and "refusal direction" in said
    page = (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")
    assert "rank-one write edit: amplification" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert 'id="claims"' not in page

    behaviour = pd.read_csv(tmp_path / "out" / "behaviour.csv").set_index("measure")
    assert (behaviour["controls"] == 2).all() and behaviour.loc["KL of the first token", "change"] > 0
    assert len(pd.read_csv(tmp_path / "out" / "tensors.csv")) == 4
    assert main([*asked, "--pairs", str(pairs), *few]) == 0, "an earlier audit is replaced"


def test_columns_of_other_names_and_directions_that_are_named(original, tmp_path, pairs, capsys):
    """The refusal direction is still taken from the pairs, and the named one stands beside it."""
    other = tmp_path / "other.csv"
    other.write_text(pairs.read_text().replace("harmful,harmless", "positive,negative"))
    save_file({"style": unit(original.d_model)}, tmp_path / "style.safetensors")
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=2.0)
    asked = ["--original", str(original.folder), "--edited", str(edited.folder), "--to", str(tmp_path / "out")]
    few = ["--prompts", "3", "--tokens", "2", "--controls", "1", "--dtype", "float32", "--date", "2026-01-01"]
    columns = ["--columns", "harmful=positive", "harmless=negative"]
    assert main([*asked, *columns]) == 1 and "without --pairs" in capsys.readouterr().err
    style = ["--direction", f"style={tmp_path / 'style.safetensors'}"]
    assert main([*asked, "--pairs", str(other), *columns, *style, *few]) == 0
    lines = pd.read_csv(tmp_path / "out" / "verdict.csv").set_index("question")
    assert lines.loc["along the style direction", "answer"].startswith("yes: |cosine| 1.000 at style")
    assert "difference in means" in lines.loc["along the refusal direction", "evidence"]
    assert "99 directions drawn from the model's own activations" in lines.loc["along the style direction", "evidence"]
    assert "cosine with style direction" in (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")


BROKEN = 200.0
"""Strength at which a rank-one edit of the tiny model changes which choice of a question is likeliest."""


def test_benchmarks_are_those_of_the_audited_model_itself(original, tmp_path, pairs):
    """Paired item by item with the original's, from the edited checkpoint opened by itself."""
    edited = rank_one(original, "row_mean", 1, tmp_path / "edited", strength=BROKEN)
    questions = [f"What of the {what} by the river?" for what in ("gate", "mill", "garden", "lamp", "moon", "sea")]
    task = write_task(tmp_path / "tasks", "river", questions, ["the moon is old", "the mill", "a lamp"])
    asked = ["--original", str(original.folder), "--edited", str(edited.folder), "--to", str(tmp_path / "out")]
    few = ["--prompts", "3", "--tokens", "3", "--kl-tokens", "2", "--controls", "2", "--dtype", "float32", "--date", "2026-01-01"]
    assert main([*asked, "--pairs", str(pairs), *few, "--benchmarks", str(tmp_path / "tasks"), "--items", "5"]) == 0
    table = pd.read_csv(tmp_path / "out" / "behaviour.csv").set_index("measure")
    found = table.loc[task]
    chosen = read_questions(tmp_path / "tasks", [], 5, 0)
    scores = [chosen.scored(load_tiny_model(one.folder))[task] for one in (original, edited)]
    assert len(scores[0]) == 5 and not (scores[0] == scores[1]).all(), "the edit has to matter to the test"
    assert [found["original"], found["edited"]] == pytest.approx([one.mean() for one in scores])
    assert found["change"] == pytest.approx((scores[1] - scores[0]).mean()) and found["low"] <= found["change"] <= found["high"]
    assert found["controls"] == 2 and found["prompts"] == 5 and "KL of 2 tokens" in table.index
    assert "river, benchmark" in (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")


def test_benchmarks_need_prompts_and_data(original, tmp_path, pairs, capsys):
    folder = str(original.folder)
    asked = ["--original", folder, "--edited", folder, "--to", str(tmp_path / "out"), "--benchmarks", str(tmp_path)]
    assert main(asked) == 1 and "without --pairs" in capsys.readouterr().err
    assert main([*asked, "--pairs", str(pairs)]) == 1 and "no benchmark" in capsys.readouterr().err


def test_subjects_of_mmlu_are_one_benchmark_and_share_its_items(tmp_path):
    (tmp_path / "mmlu").mkdir()
    for subject in ("anatomy", "virology"):
        for split, count in (("dev", 1), ("test", 6)):
            rows = [f'"{subject} {split} {n}?",a,b,c,d,B' for n in range(count)]
            (tmp_path / "mmlu" / f"{subject}_{split}.csv").write_text("\n".join(["question,A,B,C,D,answer", *rows]))
    found = read_questions(tmp_path, [], 8, 0)
    assert found.benchmarks == ["mmlu"] and len(found.groups("mmlu")) == 8
    assert found.items["task"].value_counts().to_dict() == {"mmlu_anatomy": 4, "mmlu_virology": 4}


def test_the_command_says_what_cannot_be_compared(original, tmp_path, capsys):
    other = make_tiny_model(tmp_path / "deeper", layers=3)
    assert main(["--original", str(original.folder), "--edited", str(other), "--to", str(tmp_path / "out")]) == 1
    assert "another architecture" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_gguf_file_and_a_missing_direction_are_answered_with_what_to_do(original, tmp_path, capsys):
    (tmp_path / "edited.gguf").touch()
    asked = ["--original", str(original.folder), "--to", str(tmp_path / "out"), "--edited"]
    assert main([*asked, str(tmp_path / "edited.gguf")]) == 1 and "results/converted" in capsys.readouterr().err
    missing = ["--direction", f"style={tmp_path / 'style.safetensors'}"]
    assert main([*asked, str(original.folder), *missing]) == 1 and "no such file" in capsys.readouterr().err


def test_files_of_others_are_not_written_over(original, tmp_path, capsys):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").write_text("mine")
    folder = str(original.folder)
    assert main(["--original", folder, "--edited", folder, "--to", str(tmp_path / "own")]) == 1
    assert "no audit" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(original, tmp_path, capsys):
    (tmp_path / "file").touch()
    folder = str(original.folder)
    assert main(["--original", folder, "--edited", folder, "--to", str(tmp_path / "file" / "sub")]) == 1
    assert "--to" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--original", folder, "--edited", folder, "--controls", "-3"])


def test_a_copy_is_nothing_on_its_page(original, tmp_path, capsys):
    folder = str(original.folder)
    assert main(["--original", folder, "--edited", folder, "--to", str(tmp_path / "out")]) == 0
    assert "equal entry by entry" in capsys.readouterr().out and (tmp_path / "out" / "audit.html").is_file()
