"""Tokens that a model has no embedding for, wherever texts become tokens."""

import shutil
from dataclasses import dataclass

import pytest
import torch
from transformers import AutoTokenizer

from anatomy.errors import ModelError
from anatomy.models.loading import load_model
from anatomy.models.rendering import Rendering, render
from anatomy.models.scorer import Scorer
from anatomy.models.vocabulary import embedding_rows, filler, tokens_without_row
from anatomy.texts.affinity.features import ModelFeatures
from anatomy.texts.detectors.pair import Reading, ScorerPair, pair_statistics
from anatomy.texts.detectors.perplexity import continuation_nats
from anatomy.texts.judges.model_judges.fitting import encode
from anatomy.texts.judges.model_judges.format import JudgeFormat

PLAIN = JudgeFormat((), lambda tokenizer, request, answer: request + answer, 8)
FINE, TOLD = "the gate of the old mill", "the gate and <tool> of the old mill"


@pytest.fixture(scope="module")
def loaded(tiny_folder, tmp_path_factory):
    """The tiny model, whose tokenizer has learned a token since."""
    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("grown") / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<tool>"])
    tokenizer.save_pretrained(folder)
    return load_model(folder, torch.float32, "cpu")


def test_rows_are_those_of_the_matrix_beside_the_tokenizer(loaded, tiny, tmp_path):
    assert embedding_rows(loaded.tokenizer) == loaded.model.get_input_embeddings().weight.shape[0] == 400
    assert tokens_without_row(loaded.tokenizer, 400) == {"<tool>": 400} and tokens_without_row(tiny.tokenizer, 400) == {}
    loaded.tokenizer.save_pretrained(tmp_path)
    assert embedding_rows(AutoTokenizer.from_pretrained(tmp_path)) is None, "a tokenizer alone"


def rendered(loaded, scorer, text):
    return render(loaded.tokenizer, [FINE, text], Rendering(template=False))


def judged(loaded, scorer, text):
    return encode(PLAIN, loaded.tokenizer, FINE, text)


def compared(loaded, scorer, text):
    return pair_statistics(ScorerPair(scorer, scorer), [FINE, text], Reading(token_budget=64, min_tokens=2))


def continued(loaded, scorer, text):
    return continuation_nats(scorer, ["", FINE], [FINE, text], 64)


def embedded(loaded, scorer, text):
    return ModelFeatures(scorer, token_budget=64)([FINE, text])


@pytest.mark.parametrize("asked", [rendered, judged, compared, continued, embedded])
def test_a_text_with_a_token_that_has_no_row_is_named(loaded, asked):
    scorer = Scorer(loaded.model, loaded.tokenizer, loaded.digest)
    asked(loaded, scorer, FINE)
    with pytest.raises(ModelError, match=r"token '<tool>' of id 400 in prompt \d .*, and an embedding of 400 rows"):
        asked(loaded, scorer, TOLD)


@pytest.mark.parametrize(
    ("pad", "end", "expected"), [(3, 2, 3), (None, 2, 2), (400, 2, 2), (-1, 400, 0), (None, None, 0), (0, 2, 0)]
)
def test_padding_is_an_id_inside_of_the_embedding(pad, end, expected):
    @dataclass
    class Tokenizer:
        pad_token_id: int | None
        eos_token_id: int | None

    assert filler(Tokenizer(pad, end), 400) == expected
