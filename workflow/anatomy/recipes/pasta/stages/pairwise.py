"""Edited continuations against unedited ones under a pairwise judge: which pairs are asked about, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import ConfigError
from anatomy.interventions.variant import BASE
from anatomy.models.card import ModelCard
from anatomy.models.machine.formats import resolved, warn_if_slow
from anatomy.models.rendering import Rendering
from anatomy.recipes.pasta.stages.instruments import measured_texts
from anatomy.recipes.pasta.stages.pairwise_verdicts import ask_pairs
from anatomy.serving.engine import Engine
from anatomy.texts.judges.model_judges.pairwise import RUBRICS
from anatomy.texts.judges.pairwise import FAILED, PAIR_KEYS, SPLIT, pair_questions, pair_summary, pair_verdicts

PINS: tuple[str, ...] = ("scipy", "torch", "transformers", "vllm")
NOT_PINNED = {
    "peft": "imported with the detectors, of which only the cutting of texts is used",
    "scikit-learn": "imported with the detectors, of which only the cutting of texts is used",
}

CONTROL = "orthogonal-0"
"""The one control that is judged: a random direction at the same layer."""
BOTH = "both rubrics"
MEASURES = {
    **{(rubric, "left wins"): f"{rubric}_win" for rubric in RUBRICS},
    (BOTH, SPLIT): "position_bias",
    (BOTH, FAILED): "unparsed",
}
"""Rubric and share of ``pair_summary`` to the name in the table of measures."""


def compared(texts: pd.DataFrame, variants: pd.DataFrame) -> list[str]:
    """Variants that are compared with the unedited model: ablation at each detector's layer, the operating point, one control."""
    slugs = texts["variant"].map(variants.set_index("variant")["slug"])
    wanted = slugs.isin([CONTROL, "operating"]) | slugs.str.startswith("pasta@")
    able = (texts["degenerate"] == "") & (texts["response"].fillna("").str.strip() != "")
    return sorted(texts.loc[wanted & able, "variant"].unique())


def first_items(texts: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Texts of the first prefixes, domain by domain in turn."""
    items = texts.drop_duplicates("id").sort_values("id")
    items = items.assign(turn=items.groupby("category").cumcount()).sort_values(["turn", "category"], kind="stable")
    return texts[texts["id"].isin(items["id"].iloc[:limit])]


def compare(
    config: Config,
    subject: Subject,
    completions: pd.DataFrame,
    variants: pd.DataFrame,
    card: ModelCard | None,
    say: Callable[[str], None],
    *,
    threads: int | None = None,
    gpus: int = 1,
) -> pd.DataFrame:
    """One verdict a variant, prefix and rubric: is the edited text (left) or the unedited one (right) better?

    Args:
        subject: the aligned model.
        completions, variants: its completions of the test phase, and what each variant is.
        card: of the judge where it is one of ``models``; None for a folder.

    Returns:
        ``anatomy.texts.judges.pairwise.pair_verdicts``; no row where no variant has a text that can be judged.

    Raises:
        DataError: the unedited model has none.
        ModelError: a judge whose tokenizer cannot tell the answers apart.
    """
    options = config.pasta.pairwise
    if options is None:
        raise ConfigError(found="no pairwise judge", expected="the section pasta.pairwise", where=subject.id)
    known = config.models.get(options.judge)
    texts = first_items(measured_texts(config, completions, subject.is_organism), options.items)
    prefixes = texts[["id", "prompt"]].drop_duplicates("id")
    if not (edited := compared(texts, variants)):
        say("no edited text can be judged")
        return pd.DataFrame(columns=[*PAIR_KEYS, "verdict", "score"])
    questions = pair_questions(texts, prefixes, [(name, BASE) for name in edited], list(RUBRICS))
    rendering = (
        Rendering()
        if known is None
        else Rendering(template=known.template, date=known.date, thinking=known.thinking, fold_system=known.fold_system)
    )
    say(f"{len(questions)} questions to {options.judge}")
    folder, dtype = (options.judge, resolved(options.dtype)) if card is None else (card["folder"], card["dtype"])
    warn_if_slow(dtype, "pasta.pairwise.dtype", say)
    with Engine(
        Path(folder),
        dtype=dtype,
        max_model_len=options.max_model_len,
        seed=0,
        kv_cache_bytes=config.serving.kv_cache_bytes,
        threads=threads or config.serving.settled_threads,
        gpus=gpus,
    ) as engine:
        answers = ask_pairs(engine, questions, rendering)
    verdicts = pair_verdicts(answers)
    lost = int((verdicts["verdict"] == FAILED).sum())
    say(f"{len(verdicts)} comparisons; {lost} unparsed, orders disagree in {int((verdicts['verdict'] == SPLIT).sum())}")
    return verdicts


def pairwise_summary(verdicts: pd.DataFrame, *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """Verdicts as measures of the edited variants.

    Returns:
        Columns ``model, variant, category, measure, estimate, low, high, n, excluded``. ``relevance_win`` and ``fluency_win``:
        share of prefixes on which the edited text wins, one half where both are alike, ties and disagreeing orders counting half;
        ``position_bias``: share of comparisons whose orders disagree; ``unparsed``: share that could not be read, which are
        excluded from all others.
    """
    every = pd.concat([verdicts, verdicts.assign(rubric=BOTH)], ignore_index=True)
    found = pair_summary(every, confidence=confidence, seed=seed, resamples=resamples)
    names = pd.Series([MEASURES.get(key) for key in zip(found["rubric"], found["measure"], strict=True)], index=found.index)
    keys = ["model", "left", "rubric", "category"]
    asked = pd.concat([every, every.assign(category="all")]).groupby(keys).size()
    total = pd.Series([int(asked[key]) for key in found[keys].itertuples(index=False, name=None)], index=found.index)
    found = found.assign(measure=names, excluded=total - found["n"]).rename(columns={"left": "variant"})
    wanted = ["model", "variant", "category", "measure", "estimate", "low", "high", "n", "excluded"]
    return found.loc[names.notna(), wanted].reset_index(drop=True)
