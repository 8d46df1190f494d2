"""The questions of a pairwise judge put to a model on vLLM."""

from __future__ import annotations

import pandas as pd

from anatomy.models.rendering import Rendering
from anatomy.serving.decisions import decide
from anatomy.serving.engine import Engine
from anatomy.texts.judges.model_judges.candidates import candidate_tokens, token_texts
from anatomy.texts.judges.model_judges.pairwise import MAX_NEW_TOKENS, QUESTION, fit_pair
from anatomy.texts.judges.model_judges.parser import Reading, read_verdict
from anatomy.texts.judges.verdict import NAN, Verdict


def ask_pairs(engine: Engine, questions: pd.DataFrame, rendering: Rendering) -> pd.DataFrame:
    """The judge's answers, one a question, in order.

    Args:
        questions: ``anatomy.texts.judges.pairwise.pair_questions``.
        rendering: how the judge is spoken to.

    Returns:
        The questions with `label`, `score` (preference for the first shown), `mass` (probability that the three words had),
        `raw`, `parse_failure`, `cut` (tokens left out of both texts; -1: the question did not fit and counts as a parse failure).

    Raises:
        ModelError: a tokenizer that cannot tell the three words apart by their first token.
    """
    room = engine.max_model_len - MAX_NEW_TOKENS
    candidates = candidate_tokens(engine.tokenizer, QUESTION, token_texts(engine.tokenizer))
    prompts = [
        fit_pair(engine.tokenizer, row.rubric, rendering, row.prefix, row.first, row.second, room)
        for row in questions.itertuples()
    ]
    asked = [prompt.token_ids for prompt in prompts if prompt.token_ids is not None]
    wanted = sorted({token for tokens in candidates.values() for token in tokens})
    decided = iter(decide(engine, asked, wanted, MAX_NEW_TOKENS))
    readings = []
    for prompt in prompts:
        if prompt.token_ids is None:
            readings.append(Reading(Verdict(None, NAN, "did not fit", parse_failure=True), NAN))
        else:
            written = next(decided)
            readings.append(read_verdict(QUESTION, candidates, engine.tokenizer, written.token_ids, written.logprobs))
    verdicts = [reading.verdict for reading in readings]
    columns = {
        "label": pd.Series([one.label for one in verdicts], index=questions.index, dtype="str"),
        "raw": pd.Series([one.raw for one in verdicts], index=questions.index, dtype="str"),
    }
    return questions.assign(
        **columns,
        score=[one.score for one in verdicts],
        mass=[reading.mass for reading in readings],
        parse_failure=[one.parse_failure for one in verdicts],
        cut=[-1 if prompt.token_ids is None else prompt.cut for prompt in prompts],
    )
