"""Lenses, direct attribution, attention and probes: what they must add up to, and what they must not find."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GraniteConfig, LlamaConfig, Olmo2Config, Qwen2Config

from anatomy.errors import DataError, ModelError, NumericsError
from anatomy.interventions.directions.metrics import RefusalMetric, kl_divergence
from anatomy.interventions.instruments.direct_attribution import attention_regions, direct_attribution
from anatomy.interventions.instruments.logit_lens import last_streams, lens_table, likeliest, streams_at
from anatomy.interventions.instruments.opener_tokens import derive_openers
from anatomy.interventions.instruments.probe_tables import auroc_table, place_table, probe_table
from anatomy.interventions.instruments.probes import shuffled, with_their_kinds
from anatomy.interventions.instruments.steering import dose_response
from anatomy.interventions.instruments.tuned_lens import LensTraining, train_lens
from anatomy.models.loading import LoadedModel

SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4)
SMALL |= dict(num_key_value_heads=2, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2)
PROMPTS = [[1, 8, 9, 10, 11, 4], [1, 12, 4], [1, 30, 31, 32, 33, 34, 35, 4]]
IDS = ["a", "b", "c"]


@pytest.fixture(params=[LlamaConfig, Qwen2Config, Gemma2Config, Olmo2Config, GraniteConfig])
def loaded(request):
    torch.manual_seed(0)
    more = {"logits_scaling": 3.0} if request.param is GraniteConfig else {}
    sizes = {key: value for key, value in SMALL.items() if key != "head_dim"} if more else SMALL
    model = AutoModelForCausalLM.from_config(request.param(**sizes, **more)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.data.normal_(1.0, 0.5)
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(), "", 3, 32)


def test_the_lens_of_the_last_layer_is_the_model(loaded):
    streams = last_streams(loaded, PROMPTS, 100, IDS)
    table = lens_table(loaded, streams, IDS, [7, 9], [3, 5], 0.0, openers=[11]).set_index(["layer", "id"])
    for name, tokens in zip(IDS, PROMPTS, strict=True):
        logits = loaded.model(input_ids=torch.tensor([tokens])).logits[0, -1]
        said = logits.double().softmax(-1)
        row = table.loc[(3, name)]
        assert row["probability"] == pytest.approx(said[[7, 9]].sum().item(), rel=1e-4)
        assert row["random_probability"] == pytest.approx(said[[3, 5]].sum().item(), rel=1e-4)
        assert row["rank"] == 1 + (logits > logits[[7, 9]].max()).sum() and row["agrees"] and row["kl"] == pytest.approx(0)
        assert row["opener_probability"] == pytest.approx(said[11].item(), rel=1e-4)
        assert row["opener_rank"] == 1 + (logits > logits[11]).sum()
        assert row["answer_probability"] == pytest.approx(said.max().item(), rel=1e-4) and row["answer_rank"] == 1
    assert (table.loc[0, "kl"] > 0).all()
    assert likeliest(loaded, streams[-1]) == [
        loaded.model(input_ids=torch.tensor([row])).logits[0, -1].argmax() for row in PROMPTS
    ]
    without = lens_table(loaded, streams, IDS, [7, 9], [3, 5], 0.0)
    assert without["opener_rank"].isna().all() and without["opener_probability"].isna().all()


def test_an_answer_is_one_token_at_every_layer(loaded):
    """Its rank before the last block is that of the token that the model says in the end."""
    streams = last_streams(loaded, PROMPTS, 100, IDS)
    table = lens_table(loaded, streams, IDS, [7], [3], 0.0).set_index(["layer", "id"])
    for row, name in enumerate(IDS):
        said = likeliest(loaded, streams[-1, [row]])[0]
        one = lens_table(loaded, streams[:, [row]], [name], [said], [3], 0.0).set_index("layer")
        assert table.xs(name, level="id")["answer_rank"].tolist() == one["rank"].tolist()
        assert table.xs(name, level="id")["answer_probability"].tolist() == pytest.approx(one["probability"].tolist(), rel=1e-6)


def test_openers_are_what_answers_begin_with_that_do_not_refuse():
    first = [5] * 6 + [7] * 3 + [9] + [1] * 40
    assert derive_openers(first, [1], 0.1) == {5: 0.6, 7: 0.3, 9: 0.1}
    assert derive_openers(first, [1], 0.3) == {5: 0.6, 7: 0.3}
    assert derive_openers(list(range(2, 30)), [1], 0.1) == {2: 1 / 28}  # none is frequent: one stands for them
    assert derive_openers([1] * 5, [1], 0.1) == {}


def test_a_tuned_lens_comes_nearer_on_rows_that_it_has_not_seen(loaded):
    generator = torch.Generator().manual_seed(0)
    prompts = [[1, *torch.randint(3, 50, (5,), generator=generator).tolist()] for _ in range(60)]
    streams = last_streams(loaded, prompts, 1000, [str(n) for n in range(60)])
    held = torch.arange(60) % 4 == 0
    lens = train_lens(loaded, streams, held, LensTraining(1e-3, 30, 3, 16, 0))
    assert all(after <= before for before, after in zip(lens.before, lens.after, strict=True))
    assert sum(lens.after) < 0.9 * sum(lens.before)
    ids = [str(n) for n in range(int(held.sum()))]
    tuned = lens_table(loaded, streams[:, held], ids, [7], [3], 0.0, lens).groupby("layer")["kl"].mean()
    assert tuned[:3].tolist() == pytest.approx(lens.after, rel=1e-3, abs=1e-6) and tuned[3] == pytest.approx(0)


@pytest.mark.parametrize("share", [0, 1])
def test_a_tuned_lens_needs_rows_to_learn_on_and_others_to_be_chosen_by(loaded, share):
    held = torch.full((6,), bool(share))
    with pytest.raises(DataError, match=f"{6 * share} of 6 rows held out"):
        train_lens(loaded, torch.randn(4, 6, 32), held, LensTraining(1e-3, 1, 1, 4, 0))


def test_contributions_sum_to_the_final_stream(loaded):
    scale = getattr(loaded.model.config, "residual_multiplier", 1.0)
    assert scale == 1.0
    unit = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(1)), dim=0)
    table = direct_attribution(loaded, PROMPTS, IDS, {"one": unit, "minus": -unit})
    streams = last_streams(loaded, PROMPTS, 100, IDS)
    found = table.groupby(["direction", "id"])["contribution"].sum()
    for sign, name in ((1, "one"), (-1, "minus")):
        assert found[name].tolist() == pytest.approx((sign * streams[-1] @ unit).tolist(), abs=1e-5)
    assert table.groupby(["id", "direction"]).size().nunique() == 1
    assert set(table["part"]) >= {"embedding", "head", "mlp"}


def test_attention_is_shared_out_whole(loaded):
    table = attention_regions(loaded, PROMPTS[:1], IDS[:1], start=1, end=1)
    assert len(table) == 3 * 4
    assert table[["instruction", "template_before", "template_after"]].sum(axis=1).tolist() == pytest.approx([1.0] * 12, abs=1e-5)
    assert table["entropy"].between(0, np.log(6) + 1e-6).all()


def planted(signal, seed=0):
    """Forty groups of three prompts; one feature tells the kinds apart by ``signal``, and a group has a shift of its own."""
    generator = np.random.default_rng(seed)
    groups = np.repeat([f"g{n}" for n in range(40)], 3)
    y = np.repeat(np.arange(40) % 2 == 0, 3)
    x = generator.normal(size=(1, 120, 16)) + np.repeat(generator.normal(size=(40, 16)), 3, axis=0)[None]
    x[0, :, 3] += signal * y
    return x, y, groups


def read(x, y, groups, texts=None, kinds=None):
    texts = texts or ["a word"] * len(y)
    table = probe_table(
        x,
        y,
        groups,
        [str(n) for n in range(len(y))],
        texts,
        np.full(len(y), 7),
        list(groups if kinds is None else kinds),
        few=2,
        seed=0,
    )
    return aurocs(table, "probe", "control")["auroc"]


def aurocs(table, *keys):
    return auroc_table(table, keys, confidence=0.95, seed=0, resamples=300).set_index(list(keys))


def test_probes_find_what_is_there_and_nothing_else():
    found, nothing = read(*planted(6.0)), read(*planted(0.0))
    for name in ("difference_of_means", "logistic", "sparse_2"):
        assert found[name, ""] > 0.9 and found[name, "equal_length"] > 0.9
        assert abs(found[name, "shuffled"] - 0.5) < 0.25
        assert abs(nothing[name, ""] - 0.5) < 0.25  # forty groups, and not 120 prompts, are what is independent


def test_what_is_known_of_single_kinds_is_nothing_where_kinds_are_left_out_whole():
    """Four kinds of harm with an axis each and none in common, beside one along which all harm lies."""
    generator = np.random.default_rng(0)
    y, groups = np.arange(240) < 120, np.array([f"g{n}" for n in range(240)], dtype=object)
    kinds = [f"{'harm' if label else 'other'} {n % 4}" for n, label in enumerate(y)]
    own, common = generator.normal(size=(2, 240, 16))
    for row in range(120):
        own[row, row % 4] += 8
        common[row, 5] += 8
    apart, shared = (read(x[None], y, groups, kinds=kinds)["logistic"] for x in (own, common))
    assert apart[""] > 0.95 and shared[""] > 0.95
    assert apart["unseen_kind"] < 0.75 and shared["unseen_kind"] > 0.95
    args = [str(n) for n in range(240)], ["a word"] * 240, np.full(240, 7), kinds
    counted = aurocs(probe_table(own[None], y, groups, *args, few=2, seed=0), "probe", "control")["groups"]
    assert counted["logistic", "unseen_kind"] == 8 and counted["logistic", ""] == 240
    assert "unseen_kind" not in read(own[None], y, groups)["logistic"], "every group is a kind of its own"
    one = ["harm" if label else kind for label, kind in zip(y, kinds, strict=True)]
    assert "unseen_kind" not in read(own[None], y, groups, kinds=one)["logistic"], "one kind of harm leaves none to learn from"


def test_a_group_of_several_kinds_keeps_them_together():
    found = with_their_kinds(np.array(["a", "a", "b", "c", "d"]), ["x", "y", "y", "z", "z"])
    assert len(set(found[:3])) == 1 and len(set(found[3:])) == 1 and found[0] != found[3]


def test_a_probe_finds_the_place_that_tells_the_kinds_apart():
    x, y, groups = planted(6.0)
    nothing = planted(0.0, seed=1)[0]
    streams = np.stack([np.concatenate([nothing, nothing]), np.concatenate([nothing, x])])
    table = aurocs(place_table(streams, [-2, -1], y, groups, [str(n) for n in range(len(y))], 0), "position", "layer", "control")
    assert table.loc[(-1, 1, ""), "low"] > 0.9
    others = table.drop((-1, 1, ""))
    assert others["auroc"].max() < 0.75 and (others["low"] < 0.5).all()
    assert set(table["n"]) == {120} and set(table["groups"]) == {40} and (table["low"] <= table["auroc"]).all()
    alone = held_out_like(x[0], y, groups)
    assert table.loc[(-1, 1, ""), "auroc"] == pytest.approx(alone)


def held_out_like(x, y, groups):
    """The AUROC that the table by layer has of the same probe and the same stream."""
    return read(x[None], y, groups)["difference_of_means", ""]


def test_streams_that_are_all_alike_tell_nothing():
    """Before the first block the last token of a template has one stream: its difference of means is rounding."""
    _, y, groups = planted(0.0)
    one = np.random.default_rng(3).normal(size=64).astype(np.float32)
    found = read(np.tile(one, (1, len(y), 1)), y, groups)
    assert found["difference_of_means", ""] == found["difference_of_means", "shuffled"] == 0.5


def test_streams_at_several_positions_are_those_of_single_tokens(loaded):
    found = streams_at(loaded, PROMPTS, [-3, -1], 100, IDS)
    assert found.shape == (2, 4, 3, 32)
    assert torch.equal(found[1], last_streams(loaded, PROMPTS, 100, IDS))
    for row, tokens in enumerate(PROMPTS):
        states = loaded.model(input_ids=torch.tensor([tokens]), output_hidden_states=True).hidden_states
        for layer in range(3):
            assert found[0, layer, row].tolist() == pytest.approx(states[layer][0, -3].tolist(), abs=1e-5)
    with pytest.raises(DataError, match="3 tokens"):
        streams_at(loaded, PROMPTS, [-4], 100, IDS)


def test_a_bag_of_words_sees_the_wording():
    x, y, groups = planted(0.0)
    texts = [f"how {'bad' if label else 'good'} it is" for label in y]
    assert read(x, y, groups, texts)["bag_of_words", ""] == 1.0


@pytest.mark.parametrize("words", [lambda n: f"word{n}", lambda n: ""])
def test_words_of_one_text_alone_tell_nothing(words):
    x, y, groups = planted(0.0)
    assert read(x, y, groups, [words(n) for n in range(len(y))])["bag_of_words", ""] == 0.5


def test_streams_that_are_no_numbers_are_named_by_their_layer():
    x, y, groups = planted(0.0)
    x[0, 3, 2] = np.nan
    with pytest.raises(NumericsError, match=r"1 of .* prompts at layer 0"):
        read(x, y, groups)


def test_groups_keep_their_label_when_shuffled():
    _, y, groups = planted(0.0)
    dealt = shuffled(y, groups, 0)
    assert all(len(set(dealt[groups == name])) == 1 for name in set(groups)) and dealt.sum() == y.sum()


def test_the_sides_of_a_pair_change_places_when_shuffled():
    """A harmful prompt and its harmless counterpart are a group; so is, here and there, one that has no counterpart."""
    y = np.array([True, False] * 40 + [True] * 10 + [False] * 10)
    groups = np.array([f"pair-{n // 2}" for n in range(80)] + [f"alone-{n}" for n in range(20)])
    dealt = shuffled(y, groups, 0)
    assert dealt.sum() == y.sum() and 25 < (dealt[:80] != y[:80]).sum() < 55
    assert all(len(set(dealt[groups == name])) == 2 for name in set(groups[:80]))
    x = np.random.default_rng(0).normal(size=(1, 100, 8))
    x[0, :, 3] += 6 * y
    found = read(x, y, groups)
    assert found["logistic", ""] > 0.9 and abs(found["logistic", "shuffled"] - 0.5) < 0.25


@pytest.mark.parametrize("kind", ["class", "group"])
def test_a_probe_needs_two_kinds_in_two_groups_each(kind):
    x, y, groups = planted(1.0)
    y, groups = (np.ones_like(y), groups) if kind == "class" else (y, np.where(y, "one", groups))
    with pytest.raises(DataError, match="at least two groups"):
        read(x, y, groups)


def test_a_dose_is_what_an_added_vector_gives(loaded):
    unit = torch.nn.functional.normalize(torch.randn(32, generator=torch.Generator().manual_seed(1)), dim=0)
    metric = RefusalMetric((7, 9), 0.0)
    table = dose_response(loaded, PROMPTS, IDS, unit, 1, [0.0, 3.0], metric, 100).set_index(["id", "dose"])
    block = loaded.model.model.layers[1]

    def add(_module, args, kwargs):
        moved = (args[0] if args else kwargs["hidden_states"]) + 3.0 * unit
        return ((moved, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": moved})

    for name, tokens in zip(IDS, PROMPTS, strict=True):
        plain = loaded.model(input_ids=torch.tensor([tokens])).logits[:, -1]
        handle = block.register_forward_pre_hook(add, with_kwargs=True)
        steered = loaded.model(input_ids=torch.tensor([tokens])).logits[:, -1]
        handle.remove()
        assert table.loc[(name, 3.0), "metric"] == pytest.approx(metric(steered).item(), abs=1e-4)
        assert table.loc[(name, 3.0), "kl"] == pytest.approx(kl_divergence(plain, steered).item(), abs=1e-4)
        assert table.loc[(name, 0.0), "kl"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ModelError, match="layer 3"):
        dose_response(loaded, PROMPTS, IDS, unit, 3, [1.0], metric, 100)
