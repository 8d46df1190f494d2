"""The language model inside one that sees: read, edited and exported alone, the rest byte for byte as it was."""

import architecture_support
import pytest
import torch
from architecture_models import direction, random_prompts
from edit_kinds import head
from greedy import difference, margins
from seeing_models import LAYERS, MODELS, make_seeing_model

from anatomy.errors import ConfigError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.write_gap import write_gap
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.models.activations.means import mean_activations
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.preflight.architecture import read_architecture, require_architecture
from anatomy.models.writers import residual_writers
from anatomy.serving.decoding import Decoding
from anatomy.serving.limits import refuse_without_eyes, why_no_adapters
from anatomy.serving.transformers_generation import generate_with_transformers

BEFORE = {"gemma3": "language_model.model", "qwen2_vl": "model", "qwen2_5_vl": "model"}
"""What stands before the language model's tensors in a file; in memory it is ``model.language_model`` in all of them."""


@pytest.fixture(scope="module", params=MODELS)
def seeing(request, tmp_path_factory):
    """Type, checkpoint and model."""
    folder = make_seeing_model(request.param, tmp_path_factory.mktemp(request.param))
    torch.set_num_threads(1)
    return request.param, Checkpoint(folder), load_model(folder, torch.float32, "cpu")


@torch.no_grad()
def logits(model):
    return torch.stack([model(input_ids=torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])


def test_means_are_those_of_plain_hidden_states(seeing):
    _, _, loaded = seeing
    moments = mean_activations(loaded, random_prompts(), [-2, -1], token_budget=120)
    rows = []
    for ids in random_prompts():
        with torch.no_grad():
            hidden = loaded.model.base_model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[:LAYERS]
        rows.append(torch.stack([layer[0, [-2, -1]] for layer in hidden], 1).double())
    expected = torch.stack(rows).mean(0)
    assert (moments.mean - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_inventory_is_the_language_models(seeing):
    _, checkpoint, loaded = seeing
    writers = residual_writers(checkpoint)
    assert writers == residual_writers(loaded.model) and len(writers) == 2 * LAYERS
    assert all(writer.name.startswith("model.language_model.layers.") for writer in writers)
    for writer in writers:
        assert torch.equal(loaded.model.get_submodule(writer.name).weight, checkpoint.tensor(f"{writer.name}.weight"))
    require_architecture(read_architecture(checkpoint.folder), "here")


@pytest.mark.parametrize("method", ["projection", "row_mean", "orthogonalize"])
def test_an_edit_is_that_of_the_stream_where_no_norm_comes_between(seeing, method):
    kind, checkpoint, loaded = seeing
    strength = {"projection": {"strength": 1.5}, "row_mean": {"strength": 60.0}}.get(method, {})
    edit = build_edit({"method": method, **strength}, checkpoint, direction())
    found = write_gap(loaded, edit, direction(), random_prompts())
    assert found.effect > 0.05 and edit.card.post_norm is (kind == "gemma3")
    assert found.gap > 0.01 if edit.card.post_norm else found.gap <= 1e-4


def test_scores_and_answers_in_batches_are_those_of_one_at_a_time(seeing, monkeypatch):
    """Positions of Qwen's have three axes, which padding and what a model remembers of its last pass may put out of step."""
    kind, _, loaded = seeing
    monkeypatch.setattr(architecture_support, "model_of", lambda _: loaded)
    monkeypatch.setattr(architecture_support, "chat_prompts", lambda _: ([], random_prompts()))
    assert architecture_support.scoring_error.__wrapped__(kind) <= architecture_support.SCORED
    decoding = Decoding(max_new_tokens=8, temperature=0.0)
    batched, single = (
        [one.token_ids for one in generate_with_transformers(loaded, random_prompts(), decoding, batch_size=size)]
        for size in (4, 1)
    )
    assert len({tuple(ids) for ids in single}) > 1
    for ids, found, expected in zip(random_prompts(), batched, single, strict=True):
        assert difference(found, expected, margins(loaded, ids, expected)) is None


def test_vllm_is_not_asked_where_it_cannot_open_the_class(seeing, monkeypatch):
    kind, checkpoint, _ = seeing
    monkeypatch.setattr("anatomy.serving.limits.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"a model that sees \({kind}\), and no torchvision"):
        refuse_without_eyes(checkpoint)
    monkeypatch.setattr("anatomy.serving.limits.find_spec", lambda name: object())
    refuse_without_eyes(checkpoint)
    assert "inside one that sees" in why_no_adapters(checkpoint, "cuda")


@pytest.mark.parametrize("what", ["writers", "head"])
def test_an_export_changes_the_language_model_alone(seeing, what, tmp_path):
    kind, checkpoint, loaded = seeing
    spec = {"method": "projection", "strength": 1.5}
    edit = build_edit(spec, checkpoint, direction()) if what == "writers" else head(checkpoint, rank=3)
    streamed = stream_checkpoint(checkpoint, stack_rewrites([edit]), tmp_path)
    exported = Checkpoint(tmp_path)
    compare_untouched(checkpoint, exported, edit.tensors)
    assert streamed.untied is (what == "head" and kind == "gemma3")
    if what == "writers":
        assert {one.name for one in streamed.rewritten} == {
            f"{BEFORE[kind]}.layers.{layer}.{matrix}.weight"
            for layer in range(LAYERS)
            for matrix in ("self_attn.o_proj", "mlp.down_proj")
        }
    sees = [name for name in checkpoint.names() if "vision" in name or "visual" in name or "projector" in name]
    assert len(sees) > 20 and all(torch.equal(checkpoint.tensor(name), exported.tensor(name)) for name in sees)
    found = compare_logits(checkpoint.folder, tmp_path, lambda loaded: applied(loaded, edit))
    assert found.effect > 100 * found.tolerance * found.largest
    plain = logits(loaded.model)
    with applied(loaded, edit):
        assert not torch.equal(logits(loaded.model), plain)
    assert torch.equal(logits(loaded.model), plain)
