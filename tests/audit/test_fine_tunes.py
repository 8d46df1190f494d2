"""Models that were really trained, the organism's among them, are told as what they are."""

import pytest
from tiny_model import make_tiny_model
from tuned_setting import options, run

from anatomy.audit.kinds import Kind
from anatomy.audit.verdict import verdicts
from anatomy.audit.weights import audit_weights
from anatomy.models.checkpoint import Checkpoint


def fine_tuned_by_adapter(source, folder, rank):
    """A LoRA adapter trained on prompts with responses, merged, as ``models.<id>.tuned`` does it."""
    run(source, folder, options(rank=rank))
    return Checkpoint(folder / "model")


def test_a_trained_adapter_that_was_merged_has_its_rank(tmp_path):
    original = make_tiny_model(tmp_path / "original", layers=2)
    found = audit_weights(Checkpoint(original), fine_tuned_by_adapter(original, tmp_path, 3))
    assert set(found.counts) == {Kind.LOW_RANK} and {one.spectrum.rank for one in found.changed} == {3}
    said = {line.question: line.evidence for line in verdicts(found, [])}
    assert "of rank 3 up to rounding" in said["how much"] and said["where"] == "blocks 0 to 1"


@pytest.mark.workflow
def test_post_training_of_the_organism_is_dense_and_has_no_rank(finished):
    models = finished.results / "organism" / "s0" / "models"
    for before, after in (("base", "aligned"), ("aligned", "uncensored-1")):
        found = audit_weights(Checkpoint(models / before), Checkpoint(models / after))
        assert set(found.counts) == {Kind.DENSE}
        assert "up to rounding" not in next(line.evidence for line in verdicts(found, []) if line.question == "how much")


@pytest.mark.workflow
def test_an_adapter_of_the_organism_is_told_with_its_rank(finished, tmp_path):
    aligned = finished.results / "organism" / "s0" / "models" / "aligned"
    found = audit_weights(Checkpoint(aligned), fine_tuned_by_adapter(aligned, tmp_path, 2))
    assert set(found.counts) == {Kind.LOW_RANK} and {one.spectrum.rank for one in found.changed} == {2}
