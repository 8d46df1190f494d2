import json
from dataclasses import replace

import pytest
import torch

from anatomy.errors import ConfigError, ModelError
from anatomy.organism.checkpoint import load_weights
from anatomy.organism.execution import Execution
from anatomy.organism.network import final_states, initial_weights, logits_of
from anatomy.organism.training import grow_base, grow_member, parent_of


@pytest.fixture(scope="module")
def short(recipe):
    return replace(
        recipe,
        pretraining=replace(recipe.pretraining, steps=3, rows=8, micro_rows=4),
        post_training=replace(recipe.post_training, steps=3, rows=8, micro_rows=4),
        uncensoring=replace(recipe.uncensoring, rungs=(2,)),
    )


@pytest.fixture(scope="module")
def grown(short, world_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    grow_base(5, short, world_folder, folder / "base")
    for member in ("aligned", "uncensored-1"):
        grow_member(member, 5, short, world_folder, folder / parent_of(member), folder / member)
    return folder


def test_training_is_bit_identical_for_a_seed(grown, short, world_folder, tmp_path):
    grow_base(5, short, world_folder, tmp_path / "base")
    grow_member("aligned", 5, short, world_folder, tmp_path / "base", tmp_path / "aligned")
    for member in ("base", "aligned"):
        one, two = (json.loads((f / member / "card.json").read_text()) for f in (grown, tmp_path))
        assert one["parameter_sha256"] == two["parameter_sha256"]
    grow_base(6, short, world_folder, tmp_path / "other")
    other = json.loads((tmp_path / "other" / "card.json").read_text())
    assert other["parameter_sha256"] != json.loads((tmp_path / "base" / "card.json").read_text())["parameter_sha256"]


def test_threads_change_no_bit(grown, short, world_folder, tmp_path):
    grow_base(5, short, world_folder, tmp_path / "base", Execution(threads=2))
    one, two = (json.loads((f / "base" / "card.json").read_text()) for f in (grown, tmp_path))
    assert one["parameter_sha256"] == two["parameter_sha256"] and (one["threads"], two["threads"]) == (1, 2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_card_says_in_which_format_a_member_was_trained(dtype, short, world_folder, tmp_path):
    grow_base(5, short, world_folder, tmp_path / "base", Execution(dtype=dtype))
    card = json.loads((tmp_path / "base" / "card.json").read_text())
    assert card["matrix_dtype"] == dtype and card["losses"][-1] < card["losses"][0]
    assert {tensor.dtype for tensor in load_weights(tmp_path / "base").values()} == {torch.float32}


def test_transformers_loads_the_folder_and_gives_the_same_logits(grown, short):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = grown / "aligned"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("User: What is the moon?\nAssistant:", return_tensors="pt").input_ids
    weights = load_weights(folder)
    with torch.no_grad():
        ours = logits_of(weights, final_states(weights, short.architecture, ids))
        theirs = model(input_ids=ids).logits
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert model.config.num_hidden_layers >= 6
    assert model.config.max_position_embeddings >= 1024
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 25e6


def test_cards_say_how_a_member_was_grown(grown, short):
    card = json.loads((grown / "uncensored-1" / "card.json").read_text())
    assert (card["member"], card["parent"], card["seed"], card["steps"]) == ("uncensored-1", "aligned", 5, 2)
    assert card["recipe_sha256"] == short.digest()
    assert not list(grown.glob("*.aside*"))


def test_unknown_member_and_missing_parent_are_refused(short, world_folder, tmp_path):
    with pytest.raises(ConfigError, match="placebo-9"):
        grow_member("placebo-9", 5, short, world_folder, tmp_path, tmp_path / "out")
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        grow_member("weak", 5, short, world_folder, tmp_path, tmp_path / "out")


def test_a_document_never_looks_at_its_neighbour(recipe):
    from anatomy.organism.optimisation import packed_batches

    documents = iter([([5, 6, 7], [1.0] * 3), ([8, 9, 10, 11], [1.0] * 4)] * 10)
    (batch,) = next(packed_batches(documents, rows=1, tokens=7, micro_rows=1))
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 10, 11]]
    assert batch.importance[0].tolist() == [0, 1, 1, 0, 1, 1, 1]
    weights = initial_weights(recipe.architecture, 20, torch.Generator().manual_seed(0))
    packed = final_states(weights, recipe.architecture, batch.ids, batch.allowed)[0, 3:]
    alone = final_states(weights, recipe.architecture, batch.ids[:, 3:])[0]
    torch.testing.assert_close(packed, alone, atol=2e-5, rtol=1e-4)
