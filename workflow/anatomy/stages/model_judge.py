"""The completions of one pass judged by one model on vLLM, and counts of what it could not judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.config.judging import ModelJudge, judge_names
from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.serving.engine import Engine
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.judge_card import JudgeCard
from anatomy.stages.judge_format import format_key, judge_format
from anatomy.stages.judge_notes import JudgeNotes
from anatomy.stages.verdicts import compute_verdicts
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Lazy, Want, assemble, cells_of, fill
from anatomy.texts.judges.model_judges.format import JudgeFormat
from anatomy.texts.judges.verdict import COLUMNS, KEYS, UNREADABLE

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")

DTYPES = {"label": "str", "score": "float64", "raw": "str", "parse_failure": "bool"}
NOTHING = pd.DataFrame({"cut": pd.Series(dtype="int64"), "raw": pd.Series(dtype="str")})
"""Where every text was withheld, or none was wanted."""


@dataclass(frozen=True)
class ModelJudged:
    """What a judge said of a pass.

    Attributes:
        judgements: one row a completion and verdict (see workflow/README.md).
        notes: counts of what it could not do.
        cells: the store's cells the rows came from.
    """

    judgements: pd.DataFrame
    notes: JudgeNotes
    cells: list[str]


def judge_by_model(
    config: Config,
    subject: Subject,
    identifier: str,
    card: JudgeCard,
    completions: pd.DataFrame,
    say: Callable[[str], None],
    *,
    threads: int | None = None,
    gpus: int = 1,
) -> ModelJudged:
    """Judge completions by one model.

    Texts that were withheld (``anatomy.stages.withheld``) are gone; they are counted and have no row.

    Args:
        identifier: the judge's name in the configuration.
        card: the judge's card.
        completions: table of completions of one model under study.
        threads, gpus: of the engine, as the job was granted them; ``serving.threads`` if None.
    """
    judge, store = config.model_judges[identifier], Path(config.results) / "store"
    form = judge_format(judge)
    kept = completions[completions["withheld"].isna()]
    rows = kept[[*KEYS, "group", "prompt"]].assign(response=kept["response"].fillna(""))
    rows["item"] = [
        digest({"prompt": prompt, "response": response})
        for prompt, response in zip(rows["prompt"], rows["response"], strict=True)
    ]
    want = Want(judge_cell(store, subject, judge, card, threads or config.serving.settled_threads), rows, {})

    def open_engine() -> Engine:
        say(f"starting the engine for judge {identifier}")
        return Engine(
            Path(card["folder"]),
            dtype=card["dtype"],
            max_model_len=judge.max_model_len,
            seed=0,
            kv_cache_bytes=config.serving.kv_cache_bytes,
            threads=threads or config.serving.settled_threads,
            gpus=gpus,
        )

    with Lazy(open_engine, store, "model_judge") as session:
        fill([want], session, compute_verdicts(form, judge, say), say)
    table = assemble([want], list(KEYS)) if len(rows) else NOTHING
    judgements = to_judgements(table, form, judge_names(identifier, judge.kind))
    notes = count(identifier, table, judgements, len(completions) - len(kept))
    say(describe(notes))
    return ModelJudged(judgements, notes, list(cells_of([want])))


def judge_cell(store: Path, subject: Subject, judge: ModelJudge, card: JudgeCard, threads: int) -> Cell:
    """The cell of one judge's verdicts on one model's completions; cells of other models are other jobs' to hold."""
    return Cell(
        store,
        "model_judge",
        {
            "code": cell_fingerprint("model_judge", False),
            "model": card["digest"],
            "dtype": card["dtype"],
            **({"threads": threads} if threads != 1 else {}),
            "backend": "vllm",
            "format": format_key(judge),
            "of": subject.id,
        },
    )


def to_judgements(table: pd.DataFrame, form: JudgeFormat, names: tuple[str, ...]) -> pd.DataFrame:
    """The table of judgements, one row a completion and verdict."""
    if table.empty:
        return pd.DataFrame({name: pd.Series(dtype=DTYPES.get(name, "str")) for name in COLUMNS}).astype({"sample": "int64"})
    parts = []
    for name, question in zip(names, form.questions, strict=True):
        part = table[[*KEYS, "group", "raw"]].assign(
            judge=name,
            **{
                to: table[f"{question.name}.{column}"]
                for to, column in (("label", "label"), ("score", "score"), ("parse_failure", "failed"))
            },
        )
        parts.append(part)
    return pd.concat(parts)[list(COLUMNS)].astype(DTYPES).sort_values([*KEYS, "judge"], ignore_index=True)


def count(identifier: str, table: pd.DataFrame, judgements: pd.DataFrame, withheld: int) -> JudgeNotes:
    """Counts of what a judge could not do."""
    failures = judgements.groupby("judge")["parse_failure"].sum()
    return {
        "judge": identifier,
        "asked": len(table),
        "withheld": withheld,
        "cut": int((table["cut"] > 0).sum()),
        "too_long": int((table["cut"] < 0).sum()),
        "unended_reasoning": int((table["raw"] == UNREADABLE.raw).sum()),
        "parse_failures": {name: int(number) for name, number in failures.items()},
    }


def describe(notes: JudgeNotes) -> str:
    """The counts in one line, for the terminal."""
    failures = ", ".join(f"{n} of {name}" for name, n in notes["parse_failures"].items() if n) or "none"
    return (
        f"{notes['judge']}: {notes['asked']} completions; {notes['withheld']} withheld texts not judged, {notes['cut']} cut "
        f"to fit, {notes['too_long']} too long; parse failures: {failures}"
    )
