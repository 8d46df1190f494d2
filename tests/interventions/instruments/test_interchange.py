"""Exchanged subspaces beside whole passes, and a search that finds what carries the metric and nothing where nothing is."""

import pytest
import torch
from small_decoders import PAIR, small_decoder
from transformers import Gemma2Config, LlamaConfig, Olmo2Config, Qwen2Config

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.instruments.interchange import (
    SubspaceTraining,
    exchangeable_runs,
    exchanged_metric,
    interchange,
    interchange_table,
    learn_subspace,
    random_basis,
)
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import Place, patch_pair

METRIC = RefusalMetric((7, 9), 0.0)
TRAINING = SubspaceTraining(rank=2, steps=60, learning_rate=0.05, batch=8, seed=0)


@pytest.fixture(params=[LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config, "window"], ids=str)
def loaded(request):
    """Also one whose attention slides over fewer tokens than the prompts have."""
    return small_decoder(Gemma2Config, sliding_window=4) if request.param == "window" else small_decoder(request.param)


def drawn_pairs(count, seed):
    """Pairs of random prompts of different lengths that end alike."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for n in range(count):
        length = int(torch.randint(4, 7, (1,), generator=generator))
        clean, corrupt = torch.randint(3, 50, (2, length), generator=generator).tolist()
        found.append(PairedPrompts(f"p{n}", f"c{n}", f"g{n}", (1, *clean, 4), (1, *corrupt, 4)))
    return found


@torch.no_grad()
@pytest.mark.parametrize("column", [-1, -2, -5])
def test_an_exchange_is_a_whole_pass_with_the_stream_replaced(loaded, column):
    """Also where nothing stands before the exchanged token and no keys are kept."""
    basis, pair = random_basis(32, 3, 0), PairedPrompts("clean", "corrupt", "g", (3, 8, 9, 10, 4), (5, 8, 22, 31, 6))
    runs, sides = exchangeable_runs(loaded, [pair], 1, column, METRIC), (pair.corrupt, pair.clean)
    for run, tokens, other in zip(runs, sides, reversed(sides), strict=True):
        block, kept = loaded.model.model.layers[1], []

        def hidden(args, kwargs):
            return args[0] if args else kwargs["hidden_states"]

        handle = block.register_forward_pre_hook(
            lambda _m, args, kwargs, kept=kept: kept.append(hidden(args, kwargs).clone()), with_kwargs=True
        )
        loaded.model(input_ids=torch.tensor([other]))
        handle.remove()

        def put(_module, args, kwargs, kept=kept):
            x = hidden(args, kwargs).clone()
            x[:, column] += (kept[0][:, column] - x[:, column]) @ basis @ basis.T
            return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": x})

        handle = block.register_forward_pre_hook(put, with_kwargs=True)
        wanted = METRIC(loaded.model(input_ids=torch.tensor([tokens])).logits[:, -1]).item()
        handle.remove()
        for _ in range(2):  # what a pass adds to the kept keys is not there for the next one
            found = exchanged_metric(loaded, run, 1, column, interchange(run, loaded, column, basis), METRIC).item()
            assert found == pytest.approx(wanted, abs=1e-5) and abs(found - run.start) > 1e-4


def test_all_of_the_stream_is_its_patch_and_random_exchanges_have_their_length(loaded):
    runs = exchangeable_runs(loaded, [PAIR], 1, -1, METRIC)
    table = interchange_table(loaded, runs, 1, -1, METRIC, {"one": random_basis(32, 2, 5)}, like="one", draws=3, seed=0)
    for way, own in table.groupby("way"):
        patch = patch_pair(loaded, PAIR, [Place("stream", 1, 4)], METRIC, way, 1000)["recovery"].item()
        assert own.set_index("subspace").loc["whole", "recovery"] == pytest.approx(patch, abs=1e-4)
        lengths = own.set_index("subspace")["length"]
        assert lengths["random_length"].tolist() == pytest.approx([lengths["one"]] * 3, rel=1e-4)
        assert (lengths["whole"] >= lengths["random"]).all()


def test_a_learned_subspace_carries_the_metric_of_pairs_that_it_has_not_seen():
    """In a model whose metric is read off one direction, that is what is found; dealt outcomes find less on new pairs."""
    loaded = small_decoder(LlamaConfig)
    block, head = loaded.model.model.layers[2], loaded.model.lm_head.weight
    for projection in (block.self_attn.o_proj, block.mlp.down_proj):
        projection.weight.mul_(0.1)
    one = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(3)), dim=0)
    head.zero_()
    head[[7, 9]] = 3 * one
    fit, test = (exchangeable_runs(loaded, drawn_pairs(count, seed), 2, -1, METRIC) for count, seed in ((24, 0), (12, 1)))
    bases = {name: learn_subspace(loaded, fit, 2, -1, METRIC, TRAINING, dealt=name == "dealt") for name in ("learned", "dealt")}
    for basis in bases.values():
        assert torch.allclose(basis.T @ basis, torch.eye(2), atol=1e-5)
    table = interchange_table(loaded, test, 2, -1, METRIC, bases, like="learned", draws=4, seed=0)
    gap = {(run.id, run.way): run.end - run.start for run in test}
    table["missing"] = (table["recovery"] - 1) * [gap[row.id, row.way] for row in table.itertuples()]
    missing = table["missing"].pow(2).groupby(table["subspace"]).mean()
    assert missing["learned"] < 0.5 * min(missing["dealt"], missing["random"], missing["random_length"])
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


@pytest.mark.parametrize(("layer", "column"), [(3, -1), (-1, -1), (0, 0), (0, -6)])
def test_a_place_that_is_not_there_is_named(layer, column):
    with pytest.raises(ModelError, match=f"layer {layer}, token {column}"):
        exchangeable_runs(small_decoder(LlamaConfig), [PAIR], layer, column, METRIC)


def test_a_rank_that_the_stream_does_not_have_is_named():
    loaded = small_decoder(LlamaConfig)
    runs = exchangeable_runs(loaded, [PAIR], 1, -1, METRIC)
    with pytest.raises(ModelError, match="rank 33"):
        learn_subspace(loaded, runs, 1, -1, METRIC, SubspaceTraining(33, 1, 0.1, 1, 0), dealt=False)
