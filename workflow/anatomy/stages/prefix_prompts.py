"""Human prefixes as a job reads them: what each model is shown, and how a human went on.

Until a table of prefixes lies beside the organism's prompts, its benign requests stand in: the document begins as the world's
recipes do, the chat asks for the same thing, and the plain answer is how the human went on.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.pasta import Pasta
from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.stages.prompts import phase_prompts

STAND_IN = "benign_requests"


def phase_prefixes(at: Layout, subject: Subject, pasta: Pasta, phase: str) -> pd.DataFrame:
    """Prefixes of a phase with the columns of a prompt table, and ``document`` and ``chat``: what a model continues or answers.

    ``prompt`` is the prefix, ``response`` the human's continuation, ``category`` the domain.

    Raises:
        DataError: no prefixes in this phase, or one without a continuation.
    """
    limit = {"fit": pasta.fit_prefixes, "select": pasta.select_prefixes, "test": pasta.test_prefixes}[phase]
    if not Path(at.prompts(subject, pasta.prefixes)).exists() and subject.is_organism:
        rows = phase_prompts(at, subject, STAND_IN, phase, limit)
        rows = rows.assign(document=[f"To make the {name}," for name in rows["group"]], chat=rows["prompt"],
                           response=[text.removeprefix("To make it,") for text in rows["response"]])
        rows = rows.assign(prompt=rows["document"])
    else:
        rows = phase_prompts(at, subject, pasta.prefixes, phase, limit)
        rows = rows.assign(document=rows["prompt"], chat=[f"Go on with this text: {prefix}" for prefix in rows["prompt"]])
    if (empty := rows["response"].fillna("").str.strip() == "").any():
        raise DataError(found=f"{int(empty.sum())} prefixes without a continuation", expected="how the human went on",
                        where=f"{pasta.prefixes}, {rows.loc[empty, 'id'].iloc[0]}", remedy="leave these prefixes out")
    return rows
