"""Directions that are handed over: read from files of several kinds, and what a change has to do with each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from audited_checkpoints import rank_one, rewritten, unit
from safetensors.torch import save_file
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.audit.direction_files import named_file, read_reference, read_references
from anatomy.audit.directions import REFUSAL, reference_of, standing
from anatomy.audit.kinds import Kind
from anatomy.audit.refusal_direction import with_draws
from anatomy.audit.verdict import verdicts
from anatomy.audit.weights import audit_weights
from anatomy.errors import ConfigError, DataError
from anatomy.interventions.directions.candidates import Directions, save_directions
from anatomy.interventions.directions.vector_files import write_vectors
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return Checkpoint(make_tiny_model(tmp_path_factory.mktemp("models") / "original", layers=2))


def test_directions_are_read_from_an_extraction_and_from_any_file_of_that_width(original, tmp_path):
    units = torch.stack([unit(64, seed) for seed in range(1, 5)]).view(2, 2, 64)
    save_directions(Directions(units, (-2, -1), (0, 1)), tmp_path / "directions.safetensors", {})
    save_file({"mine": units[0, 1].clone(), "other": torch.ones(3)}, tmp_path / "mine.safetensors")
    assert read_reference(tmp_path / "directions.safetensors", 64).places[3] == "position -1, layer 1"
    save_directions(Directions(units, (-1, 0), (0, 1)), tmp_path / "signature.safetensors", {})
    assert read_reference(tmp_path / "signature.safetensors", 64).places[3] == "all tokens of answers, layer 1"
    assert read_reference(tmp_path / "mine.safetensors", 64).places == ("mine",)
    for name in ("mine", "directions"):
        with pytest.raises(DataError, match="32 numbers"):
            read_reference(tmp_path / f"{name}.safetensors", 32)
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(DataError, match="text"):
        read_reference(tmp_path / "text.safetensors", 64)


def test_directions_are_read_from_a_control_vector(tmp_path):
    write_vectors({2: unit(64, 1), 3: unit(64, 2)}, tmp_path / "theirs.gguf", "llama", {})
    found = read_reference(tmp_path / "theirs.gguf", 64)
    assert found.places == ("layer 2", "layer 3") and torch.allclose(found.units[1].float(), unit(64, 2))
    with pytest.raises(DataError, match="32 numbers"):
        read_reference(tmp_path / "theirs.gguf", 32)
    with pytest.raises(DataError, match="run code"):
        read_reference(tmp_path / "theirs.pt", 64)


def test_directions_that_are_no_numbers_are_refused_by_name(tmp_path):
    rows = torch.ones(3, 64)
    rows[1, 5] = float("nan")
    save_file({"mine": rows, "other": torch.ones(64)}, tmp_path / "nan.safetensors")
    with pytest.raises(DataError, match="NaN or infinity in mine 1"):
        read_reference(tmp_path / "nan.safetensors", 64)
    save_file({"whole": torch.ones(64, dtype=torch.int32)}, tmp_path / "whole.safetensors")
    with pytest.raises(DataError, match="whole of int32"):
        read_reference(tmp_path / "whole.safetensors", 64)


def test_each_direction_that_is_named_has_its_own_line(original, tmp_path):
    for name, seed in (("style", 0), ("signature", 5)):
        save_file({name: unit(64, seed)}, tmp_path / f"{name}.safetensors")
    named = [named_file(f"{name}={tmp_path / name}.safetensors") for name in ("style", "signature")]
    found = audit_weights(
        original, rank_one(original, "projection", 1, tmp_path / "edited"), read_references(named, original.d_model)
    )
    said = {line.question: line.answer for line in verdicts(found, [])}
    assert said["along the style direction"].startswith("yes: |cosine| 1.000")
    assert said["along the signature direction"].startswith("not beyond chance")
    assert all("--pairs" in line.evidence for line in verdicts(found, []) if line.question.startswith("along"))
    assert {"cosine with style direction", "cosine with signature direction"} <= set(found.table())
    with pytest.raises(ConfigError, match="two directions called style"):
        read_references([named[0], named[0]], 64)
    assert named_file("a/b=c.safetensors") == ("refusal", Path("a/b=c.safetensors"))


def test_a_direction_that_the_edit_does_not_lie_on_stands_among_random_ones(original, tmp_path):
    edited = rank_one(original, "projection", 1, tmp_path / "edited")
    others = [reference_of(unit(64, seed)[None], ["d"], "s", str(seed)) for seed in range(1, 9)]
    places = audit_weights(original, edited, others).standings
    assert max(one.cosine for one in places) < 0.6 and sum(one.p > 0.05 for one in places) >= 6


def test_each_direction_stands_among_draws_from_the_originals_own_activations(original):
    """The same draws for all, each with a choice among all places, but for one that has more candidates than there are places."""
    loaded = load_tiny_model(original.folder)
    words = {"harmful": "Mix the", "harmless": "Write of"}
    fit = {
        side: pd.DataFrame([{"id": f"{side}{n}", "prompt": f"{begun} {n} and {n * n}"} for n in range(6)])
        for side, begun in words.items()
    }
    named = [reference_of(unit(64, seed)[None], ["d"], "s", name) for name, seed in (("style", 1), ("signature", 2))]
    many = reference_of(torch.stack([unit(64, seed) for seed in range(200)]), [str(n) for n in range(200)], "s", "many")
    refusal, style, signature, most = with_draws([*named, many], loaded, fit, Rendering(template=False))
    assert refusal.name == REFUSAL and style.matched is refusal.matched is signature.matched and most.matched is None
    draws, places, _ = refusal.matched.shape
    assert draws == 99 and places == 2 >= len(refusal.units)
    found = standing(refusal.matched[0, 0], style)
    assert (found.matched_draws, found.matched_places) == (draws, places) and found.matched_chance > found.chance
    assert np.isnan(standing(most.units[0], most).matched_p)
    given = reference_of(unit(64)[None], ["d"], "theirs")
    (alone,) = with_draws([given], loaded, fit, Rendering(template=False))
    assert alone.source == "theirs" and alone.matched is not None


@pytest.mark.parametrize(("sign", "kind"), [(1, Kind.AMPLIFICATION), (-1, Kind.REMOVAL)])
def test_an_edit_by_the_mean_row_has_the_sign_of_the_direction_that_is_given(original, sign, kind, tmp_path):
    edited = rank_one(original, "row_mean", sign, tmp_path / "edited", strength=5.0)
    assert set(audit_weights(original, edited).counts) == {Kind.WRITE}
    known = reference_of(torch.stack([unit(64, seed=5), unit(64)]), ["another", "its own"], "two directions")
    found = audit_weights(original, edited, [known])
    (stands,) = found.standings
    assert set(found.counts) == {kind}
    assert stands.place == "its own" and stands.cosine > 0.999 and stands.p < 0.001


def test_writers_with_directions_of_their_own_are_told_one_by_one(original, tmp_path):
    """As where a tool removes another direction from every block."""
    units = [unit(original.d_model, seed) for seed in (3, 4)]

    def removed(name, tensor):
        if not name.endswith(("o_proj.weight", "down_proj.weight")):
            return tensor
        own = units["layers.1." in name]
        return tensor - torch.outer(own, own @ tensor)

    edited = rewritten(original, tmp_path / "edited", removed)
    found = audit_weights(original, edited, [reference_of(torch.stack(units), ["one", "two"], "both")])
    assert set(found.counts) == {Kind.REMOVAL} and found.shared < 0.9
    assert all(one.along_references["refusal"] > 0.999 for one in found.changed)
    said = next(line.answer for line in verdicts(found, []) if "refusal direction" in line.question)
    assert said.startswith("4 of 4 writers beyond chance")
