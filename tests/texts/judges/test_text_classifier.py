"""A published classifier of texts: what it says, and which folders are refused."""

import pytest
import torch
from tiny_model import make_tiny_tokenizer

from anatomy.errors import DataError, ModelError
from anatomy.texts.judges.text_classifier import TextClassifier

LONGEST = 40


@pytest.fixture
def folder(tmp_path):
    """A small RoBERTa with a classification head, random but for its last bias."""
    from transformers import AutoTokenizer, RobertaConfig, RobertaForSequenceClassification

    make_tiny_tokenizer(tmp_path)
    config = RobertaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(tmp_path)),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LONGEST + 2,
        pad_token_id=0,
        id2label={0: "harmless", 1: "toxic"},
        label2id={"harmless": 0, "toxic": 1},
    )
    torch.manual_seed(0)
    RobertaForSequenceClassification(config).eval().save_pretrained(tmp_path)
    return tmp_path


def test_probabilities_are_those_of_the_label_whatever_stands_in_the_batch(folder):
    texts = ["open the gate", "a sweet honey cake for the feast of the river", "the moon"] * 7
    toxic, harmless = (TextClassifier.load(folder, label).probabilities(texts) for label in ("toxic", "harmless"))
    assert all(one + other == pytest.approx(1, abs=1e-6) for one, other in zip(toxic, harmless, strict=True))
    alone = [TextClassifier.load(folder, "toxic").probabilities([text])[0] for text in texts[:3]]
    assert toxic[:3] == pytest.approx(alone, abs=1e-5) and toxic[18:] == pytest.approx(toxic[:3], abs=1e-5)
    assert len(set(alone)) == 3


def test_a_text_longer_than_the_model_reads_is_cut_off(folder):
    reader = TextClassifier.load(folder, "toxic")
    long = "the moon " * 200
    assert reader.probabilities([long]) == pytest.approx(reader.probabilities([long + "open the gate"]))


def test_weights_that_are_no_safetensors_a_missing_head_and_an_unknown_label_are_refused(folder):
    from safetensors.torch import load_file, save_file

    with pytest.raises(DataError, match=r"label 'hate'[\s\S]*\['harmless', 'toxic'\]"):
        TextClassifier.load(folder, "hate")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: one for name, one in weights.items() if "out_proj" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"no weights for classifier\.out_proj"):
        TextClassifier.load(folder, "toxic")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no safetensors file"):
        TextClassifier.load(folder, "toxic")
