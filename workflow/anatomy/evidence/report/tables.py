"""Result tables: models as rows, measures as columns, one arm (unedited, edited, ...) beside the other, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anatomy.store.files import write_text

TIDY = ["model", "measure", "arm", "value", "low", "high", "n", "clusters", "published"]


@dataclass(frozen=True)
class Measure:
    """One column group: a prompt set or task, and whether the rate or its complement is shown."""

    title: str
    source: str
    complement: bool = False


@dataclass(frozen=True)
class Arm:
    """One variant of every model: by role, and by family where the role is not `base`."""

    title: str
    role: str
    family: str = ""


BASE = Arm("unedited", "base")


def tidy_table(
    rates: pd.DataFrame,
    models: Sequence[str],
    measures: Sequence[Measure],
    arms: Sequence[Arm],
    published: Mapping[tuple[str, str, str], float] | None = None,
) -> pd.DataFrame:
    """One row a model, measure and arm; what was not measured has no row.

    Args:
        rates: from `figures.rates`: by prompt set (column `set`) or by task (column `task`).
        models, measures, arms: what is shown, in this order.
        published: a paper's share of (model, set or task, family or ``base``), as that paper prints it: not complemented.

    Returns:
        Columns `model, measure, arm, value, low, high, n, clusters, published`; values are shares, not per cent.
    """
    key = "set" if "set" in rates else "task"
    rows = []
    for model in models:
        for measure in measures:
            for arm in arms:
                own = rates[(rates["model"] == model) & (rates[key] == measure.source) & (rates["role"] == arm.role)]
                if arm.role != "base":
                    own = own[own["family"] == arm.family]
                for found in own.itertuples():
                    value, low, high = found.rate, found.low, found.high
                    if measure.complement:
                        value, low, high = 1 - value, 1 - high, 1 - low
                    paper = (published or {}).get((model, measure.source, arm.family or arm.role), float("nan"))
                    rows.append((model, measure.title, arm.title, value, low, high, found.n, found.clusters, paper))
    return pd.DataFrame(rows, columns=TIDY)


def wide_table(tidy: pd.DataFrame) -> pd.DataFrame:
    """The table as printed: per cent with bounds, then the paper's number; a dash where nothing was measured."""
    if tidy.empty:
        return pd.DataFrame(columns=["model"])
    measures, arms = (list(dict.fromkeys(tidy[name])) for name in ("measure", "arm"))
    rows = []
    for model, own in tidy.groupby("model", sort=False):
        row = {"model": model}
        cells = {(r.measure, r.arm): _cell(r.value, r.low, r.high, r.published).replace("%", "") for r in own.itertuples()}
        for measure in measures:
            row |= {f"{measure}, {arm}": cells.get((measure, arm), "–") for arm in arms}
            counts = sorted(set(own.loc[own["measure"] == measure, "n"]))
            row[f"{measure}, n"] = "/".join(map(str, counts)) or "–"
        rows.append(row)
    return pd.DataFrame(rows)


def _cell(value: float, low: float, high: float, published: float) -> str:
    printed = f"{value:.1%} [{low:.1%}, {high:.1%}]"
    return printed if pd.isna(published) else f"{printed} (paper {published:.1%})"


def save_table(tidy: pd.DataFrame, folder: Path, name: str, caption: str) -> list[Path]:
    """Write `name.csv` (tidy, full precision) and `name.tex` (as printed, booktabs). Returns both paths."""
    csv, tex = Path(folder) / f"{name}.csv", Path(folder) / f"{name}.tex"
    write_text(csv, tidy.to_csv(index=False))
    wide = wide_table(tidy)
    body = wide.to_latex(
        index=False,
        escape=True,
        caption=_escape(caption),
        label=f"tab:{name}",
        position="t",
        column_format="l" + "r" * (wide.shape[1] - 1),
    )
    write_text(tex, "% needs \\usepackage{booktabs}\n" + body)
    return [csv, tex]


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)
