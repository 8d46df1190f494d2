"""All judges by name, and the table of their judgements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError
from anatomy.progress.counting import counted
from anatomy.texts.judges.coherence import judge_coherence
from anatomy.texts.judges.organism_truth import TRUTH_JUDGES, judge_truth, read_truth
from anatomy.texts.judges.refusal_classifier import RefusalClassifier
from anatomy.texts.judges.refusal_rules import judge_refusal, substring_refusal
from anatomy.texts.judges.verdict import COLUMNS, KEYS, Verdict

JUDGES = ("rules", "substring", "classifier", "truth", "coherence")


def judge_completions(
    table: pd.DataFrame,
    judges: Sequence[str],
    truth_folder: str | Path | None = None,
    classifier: RefusalClassifier | None = None,
) -> pd.DataFrame:
    """Judge every completion by every judge.

    Args:
        table: completions (model, variant, phase, set, id, sample, group, prompt, response).
        judges: some of rules, substring, classifier, truth, coherence. "truth" gives four judges: truth,
            truth_ingredients, truth_recipe, truth_style.
        truth_folder: folder with the organism's truth.json, for "truth".
        classifier: for "classifier".

    Returns:
        Judgements, one row a completion and judge, sorted by model, variant, phase, set, id, sample, judge.

    Raises:
        DataError: unknown judges, what a judge needs is not given, missing columns, or a completion twice.
    """
    _check(table, judges, truth_folder, classifier)
    parts = []
    names = list(dict.fromkeys(judges))
    for name in counted(names, "judges", len(names)):
        for judge, verdicts in _verdicts(name, table, truth_folder, classifier):
            part = table[[*KEYS, "group"]].copy()
            part["judge"] = judge
            part["label"] = pd.Series([verdict.label for verdict in verdicts], index=part.index, dtype="str")
            part["score"] = pd.Series([verdict.score for verdict in verdicts], index=part.index, dtype="float64")
            part["raw"] = pd.Series([verdict.raw for verdict in verdicts], index=part.index, dtype="str")
            part["parse_failure"] = pd.Series([v.parse_failure for v in verdicts], index=part.index, dtype="bool")
            parts.append(part)
    return pd.concat(parts)[list(COLUMNS)].sort_values([*KEYS, "judge"], ignore_index=True)


def _verdicts(
    name: str, table: pd.DataFrame, truth_folder: str | Path | None, classifier: RefusalClassifier | None
) -> Iterator[tuple[str, list[Verdict]]]:
    responses = list(table["response"].fillna(""))
    match name:
        case "rules":
            yield name, [_refusal_verdict(text) for text in responses]
        case "substring":
            yield name, [_substring_verdict(text) for text in responses]
        case "coherence":
            yield name, [judge_coherence(text) for text in responses]
        case "classifier" if classifier is not None:
            yield name, classifier.judge(responses)
        case "truth" if truth_folder is not None:
            truth = read_truth(Path(truth_folder))
            read = [judge_truth(prompt, text, truth) for prompt, text in zip(table["prompt"], responses, strict=True)]
            for judge in TRUTH_JUDGES:
                yield judge, [verdicts[judge] for verdicts in read]


def _refusal_verdict(text: str) -> Verdict:
    refusal = judge_refusal(text)
    return Verdict(refusal.label, refusal.score, refusal.reason, parse_failure=refusal.label is None)


def _substring_verdict(text: str) -> Verdict:
    refused = substring_refusal(text)
    return Verdict("full" if refused else "none", float(refused))


def _check(
    table: pd.DataFrame, judges: Sequence[str], truth_folder: str | Path | None, classifier: RefusalClassifier | None
) -> None:
    unknown = sorted(set(judges) - set(JUDGES))
    if unknown or not judges:
        raise DataError(found=f"judges {list(judges)}", expected=f"some of {', '.join(JUDGES)}", where="the judges")
    if "truth" in judges and truth_folder is None:
        raise DataError(
            found="no planted truth",
            expected="the folder of an organism",
            where="judge 'truth'",
            remedy="judge real models by rules and classifier",
        )
    if "classifier" in judges and classifier is None:
        raise DataError(found="no classifier", expected="a trained one", where="judge 'classifier'")
    missing = sorted({*KEYS, "group", "prompt", "response"} - set(table))
    if missing:
        raise DataError(found=f"no columns {missing}", expected="a completions table", where="the completions")
    repeated = table.duplicated(list(KEYS))
    if repeated.any():
        key = dict(zip(KEYS, table.loc[repeated, list(KEYS)].iloc[0], strict=True))
        raise DataError(found=f"{key} twice", expected="each completion once", where="the completions")
