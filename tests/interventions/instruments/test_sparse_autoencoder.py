"""A sparse autoencoder finds a dictionary that was planted, and what it costs a model is what a hook of the test's own finds."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Olmo2Config

from anatomy.errors import ModelError, NumericsError
from anatomy.interventions.instruments.autoencoder_file import FILE
from anatomy.interventions.instruments.feature_fidelity import fidelity, spliced_losses, token_streams
from anatomy.interventions.instruments.final_norm import read_by_head
from anatomy.interventions.instruments.sparse_autoencoder import (
    SparseAutoencoder,
    SparseTraining,
    load_autoencoder,
    train_autoencoder,
)
from anatomy.models.activations.starting import stream_logits
from anatomy.models.loading import LoadedModel

SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4)
SMALL |= dict(num_key_value_heads=2, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2)
TEXTS = [[1, 8, 9, 10, 11, 4], [1, 12, 4], [1, 30, 31, 32, 33, 34, 35, 4]]
IDS = ["a", "b", "c"]
TRUE, WIDTH = 24, 32


@pytest.fixture(params=[LlamaConfig, Gemma2Config, Olmo2Config])
def loaded(request):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(request.param(**SMALL)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data.normal_(1.0, 0.5)
    return LoadedModel(model, SimpleNamespace(pad_token_id=0, eos_token_id=2), Path(), "", 3, WIDTH)


def planted(rows=4000):
    """Sums of two of 24 unit vectors, each with a strength between 1 and 2, far from the origin."""
    generator = torch.Generator().manual_seed(0)
    dictionary = torch.nn.functional.normalize(torch.randn(TRUE, WIDTH, generator=generator), dim=1)
    chosen = torch.rand(rows, TRUE, generator=generator).topk(2, dim=1).indices
    strengths = torch.zeros(rows, TRUE).scatter(1, chosen, 1 + torch.rand(rows, 2, generator=generator))
    return dictionary, strengths, 50 * (strengths @ dictionary) + 300


def test_a_planted_dictionary_is_found_again():
    dictionary, strengths, x = planted()
    coder = train_autoencoder(x, SparseTraining(64, 2, 3e-3, 1500, 256, seed=0))
    kept = fidelity(coder, x[:500])
    assert kept["active"] <= 2 and kept["explained"] > 0.95 and kept["tokens"] == 500
    assert torch.allclose(coder.decoder.norm(dim=1), torch.ones(64), atol=1e-5)
    best = (dictionary @ coder.decoder.T).max(1)
    assert (best.values > 0.9).double().mean() > 0.9
    fired = coder.encode(x)[:, best.indices]
    found = [torch.corrcoef(torch.stack([fired[:, n], strengths[:, n]]))[0, 1].item() for n in range(TRUE)]
    assert sorted(found)[TRUE // 4] > 0.9


def test_the_same_seed_gives_the_same_features():
    _, _, x = planted(500)
    one, two, other = (train_autoencoder(x, SparseTraining(32, 2, 3e-3, 30, 64, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one.decoder, two.decoder) and not torch.allclose(one.decoder, other.decoder)


def test_activations_that_do_not_vary_are_refused():
    with pytest.raises(NumericsError, match="finite ones that vary"):
        train_autoencoder(torch.ones(10, WIDTH), SparseTraining(8, 2, 1e-3, 5, 4, seed=0))


def coder_of(decoder, active, bias=None):
    rows = len(decoder)
    return SparseAutoencoder(decoder, torch.zeros(rows), decoder, torch.zeros(WIDTH) if bias is None else bias, active)


def test_the_loss_with_a_faithful_autoencoder_is_the_models_own(loaded):
    axes = torch.eye(WIDTH)
    exact = coder_of(torch.cat([axes, -axes]), WIDTH)  # each coordinate has a feature for either sign
    nothing = coder_of(torch.zeros(4, WIDTH), 1)
    middle = torch.cat(token_streams(loaded, TEXTS, 1, 100, IDS)).mean(0)
    table = spliced_losses(loaded, exact, 1, middle, TEXTS, [0] * len(TEXTS), IDS, 14).set_index("id")
    for name, tokens in zip(IDS, TEXTS, strict=True):
        ids = torch.tensor([tokens])
        logits = loaded.model(input_ids=ids).logits[0]
        own = torch.nn.functional.cross_entropy(logits[1:-1], ids[0, 2:])
        assert table.loc[name, "clean"] == pytest.approx(own.item(), rel=1e-4)
        assert table.loc[name, "spliced"] == pytest.approx(own.item(), rel=1e-4)
        assert table.loc[name, "mean"] == pytest.approx(by_hand(loaded, ids, middle), rel=1e-4)
    assert (
        spliced_losses(loaded, nothing, 1, torch.zeros(WIDTH), TEXTS, [0] * len(TEXTS), IDS, 100)
        .eval("abs(spliced - mean)")
        .max()
        < 1e-4
    )


def test_the_loss_is_that_of_the_answers_alone(loaded):
    """What stands before an answer is the same in many texts, whose loss would say nothing of held-out ones."""
    axes = torch.eye(WIDTH)
    exact = coder_of(torch.cat([axes, -axes]), WIDTH)
    begins = [3, len(TEXTS[1]), 5]
    table = spliced_losses(loaded, exact, 1, torch.zeros(WIDTH), TEXTS, begins, IDS, 100).set_index("id")
    assert sorted(table.index) == sorted([IDS[0], IDS[2]]), "a text without an answer has no loss"
    for text in (0, 2):
        ids, begin = torch.tensor([TEXTS[text]]), begins[text]
        own = torch.nn.functional.cross_entropy(loaded.model(input_ids=ids).logits[0, begin - 1 : -1], ids[0, begin:])
        assert table.loc[IDS[text], "clean"] == pytest.approx(own.item(), rel=1e-4)
        assert table.loc[IDS[text], "spliced"] == pytest.approx(own.item(), rel=1e-4)


def by_hand(loaded, ids, middle):
    def put(_module, args, kwargs):
        x = (args[0] if args else kwargs["hidden_states"]).clone()
        x[:, 1:] = middle
        return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": x})

    handle = loaded.model.model.layers[1].register_forward_pre_hook(put, with_kwargs=True)
    logits = loaded.model(input_ids=ids).logits[0]
    handle.remove()
    return torch.nn.functional.cross_entropy(logits[1:-1], ids[0, 2:]).item()


def test_streams_are_each_texts_own_whatever_the_batch(loaded):
    together, alone = (token_streams(loaded, TEXTS, 2, budget, IDS) for budget in (100, 1))
    assert [len(x) for x in together] == [5, 2, 7]
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_final_norms_gain_and_the_head_read_a_direction_as_the_model_does(loaded):
    direction = torch.nn.functional.normalize(torch.randn(1, WIDTH, generator=torch.Generator().manual_seed(3)), dim=1)
    whole = stream_logits(loaded, direction * WIDTH**0.5)[0]
    cap = getattr(loaded.model.config, "final_logit_softcapping", None)
    before = whole if cap is None else cap * torch.atanh(whole / cap)
    assert torch.allclose(read_by_head(loaded, direction)[0] * WIDTH**0.5, before, atol=1e-3)


def written(folder, width=WIDTH, rows=8, **changed):
    shapes = dict(zip(FILE, ((rows, width), (rows,), (rows, width), (width,)), strict=True)) | changed
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, folder / "coder.safetensors")
    return folder / "coder.safetensors"


def test_an_autoencoder_of_another_width_is_refused_by_both_widths(tmp_path):
    assert len(load_autoencoder(written(tmp_path), WIDTH, 2).decoder) == 8
    with pytest.raises(ModelError, match="width 48") as caught:
        load_autoencoder(written(tmp_path, 48), WIDTH, 2)
    assert "width 32" in caught.value.expected
    with pytest.raises(ModelError, match="as many decoder rows"):
        load_autoencoder(written(tmp_path, W_dec=(7, WIDTH)), WIDTH, 2)
    with pytest.raises(ModelError, match="9 features that may fire"):
        load_autoencoder(written(tmp_path), WIDTH, 9)
    with pytest.raises(ModelError, match=r"shape \(8, 32\)"):
        load_autoencoder(written(tmp_path, W_dec=(WIDTH,)), WIDTH, 2)
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    with pytest.raises(ModelError, match="broken"):
        load_autoencoder(tmp_path / "broken.safetensors", WIDTH, 2)
    with pytest.raises(ModelError, match="a folder"):
        load_autoencoder(tmp_path, WIDTH, 2)
    save_file({"W_dec": torch.ones(8, WIDTH), "W_enc": torch.ones(WIDTH, 8)}, tmp_path / "others.safetensors")
    with pytest.raises(ModelError, match=r"no b_dec, encoder\.bias, encoder\.weight, but W_dec, W_enc"):
        load_autoencoder(tmp_path / "others.safetensors", WIDTH, 2)


def cast(folder, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(written(folder)).items()}
    save_file(tensors, folder / "cast.safetensors")
    return folder / "cast.safetensors"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_an_autoencoder_is_read_in_any_floating_point_format(dtype, tmp_path):
    assert load_autoencoder(cast(tmp_path, dtype), WIDTH, 2).decoder.dtype == torch.float32


@pytest.mark.parametrize(("dtype", "named"), [(torch.complex64, "C64"), (torch.int8, "I8"), (torch.bool, "BOOL")])
def test_numbers_that_are_no_weights_are_refused_by_their_format(dtype, named, tmp_path):
    with pytest.raises(ModelError, match=f"W_dec of {named}"):
        load_autoencoder(cast(tmp_path, dtype), WIDTH, 2)


def test_an_autoencoder_with_nan_is_refused_by_the_tensors_name(tmp_path):
    tensors = load_file(written(tmp_path))
    tensors["W_dec"][3, 5] = float("nan")
    save_file(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(NumericsError, match="NaN or infinity in W_dec"):
        load_autoencoder(tmp_path / "nan.safetensors", WIDTH, 2)
