"""The pairwise question: what is written, what is cut, and the answers of a real engine against transformers."""

import pandas as pd
import pytest
import torch
from scripted_judge import make_scripted_judge
from shared_engine import close_shared_engine

from anatomy.models.rendering import Rendering
from anatomy.texts.judges.model_judges.pairwise import RUBRICS, fit_pair, write_pair

RENDERING = Rendering()
PREFIX, FIRST, SECOND = "The river runs {fast}", " past the mill.", " and the moon shines on the garden of the mill."


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory):
    return make_scripted_judge(tmp_path_factory.mktemp("pairwise"), "pairwise")


@pytest.fixture(scope="module")
def tokenizer(judge_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(judge_folder)


def test_texts_stand_in_their_places_and_braces_stay(tokenizer):
    for rubric, question in RUBRICS.items():
        written = write_pair(tokenizer, rubric, RENDERING, PREFIX, FIRST, SECOND)
        assert "<beginning>\nThe river runs {fast}\n</beginning>" in written and question in written
        assert f"<first>\n{FIRST.strip()}\n</first>" in written and f"<second>\n{SECOND.strip()}\n</second>" in written
        swapped = write_pair(tokenizer, rubric, RENDERING, PREFIX, SECOND, FIRST)
        assert len(swapped) == len(written) and swapped != written


def test_both_texts_are_cut_to_one_length_and_the_frame_stays(tokenizer):
    def fitted(first, second, room):
        return fit_pair(tokenizer, "fluency", RENDERING, PREFIX, first, second, room)

    whole = fitted("a b c", "d e f", 5000)
    bare = len(fitted("x", "y", 5000).token_ids)
    assert whole.cut == 0 and fitted("a", "b", bare - 10).token_ids is None
    long = "the mill and the moon and the river " * 30
    cut = fitted(long, "short one", bare + 60)
    text = tokenizer.decode(cut.token_ids)
    assert len(cut.token_ids) <= bare + 60 and cut.cut > 0
    assert "<second>\nshort one\n</second>" in text and "first, second, tie." in text
    # The room is used: no more than a few tokens are cut for nothing.
    assert len(cut.token_ids) > bare + 40


@pytest.mark.engine
def test_answers_and_probabilities_are_those_of_transformers(judge_folder, tokenizer):
    from transformers import AutoModelForCausalLM

    from anatomy.recipes.pasta.stages.pairwise_verdicts import ask_pairs
    from anatomy.serving.engine import Engine
    from anatomy.texts.judges.model_judges.candidates import candidate_tokens, token_texts
    from anatomy.texts.judges.model_judges.pairwise import QUESTION

    rows = [(rubric, f"{PREFIX} {k}", FIRST * (k + 1), SECOND) for rubric in RUBRICS for k in range(3)]
    questions = pd.DataFrame([*rows, ("fluency", "the mill " * 900, "a", "b")], columns=["rubric", "prefix", "first", "second"])
    close_shared_engine()
    with Engine(judge_folder, dtype="float32", max_model_len=1400, seed=0, kv_cache_bytes=2**27) as engine:
        found = ask_pairs(engine, questions, RENDERING)
    assert found["cut"].iloc[-1] == -1 and found["parse_failure"].tolist() == [False] * 6 + [True]
    model = AutoModelForCausalLM.from_pretrained(judge_folder, dtype=torch.float32)
    tokens = candidate_tokens(tokenizer, QUESTION, token_texts(tokenizer))
    for row in found.iloc[:6].itertuples():
        ids = fit_pair(tokenizer, row.rubric, RENDERING, row.prefix, row.first, row.second, 1392).token_ids
        with torch.inference_mode():
            out = model.generate(torch.tensor([ids]), max_new_tokens=2, do_sample=False)[0, len(ids) :].tolist()
            logs = model(torch.tensor([ids + out[:1]])).logits[0, -1].double().softmax(-1)
        chances = {word: float(sum(logs[token] for token in those)) for word, those in tokens.items()}
        expected = (chances["first"] + chances["tie"] / 2) / sum(chances.values())
        assert row.label == tokenizer.decode(out[1:]).strip().lower()
        assert row.score == pytest.approx(expected, abs=1e-4) and row.mass == pytest.approx(sum(chances.values()), abs=1e-4)
