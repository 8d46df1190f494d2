"""The verdicts, figures, tables and section of superficial knowledge."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.measures import Refusals, level
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import BASE as UNEDITED
from anatomy.evidence.claims.tables import NO_SEED, Tables, VariantSelector, of_models, read_tables
from anatomy.evidence.figures.note import chart_or_note
from anatomy.evidence.report.content import Item, PageTable, Section, read_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.evidence.report.published import read_published
from anatomy.recipes.superficial import figures as drawn
from anatomy.recipes.superficial.claims import claims_of
from anatomy.recipes.superficial.gains import gains_table, published_shares, selector_of, tasks_of
from anatomy.recipes.superficial.pairs import POOLED, Pair, orders, pairs, way_of
from anatomy.recipes.superficial.recipe import RECIPE
from anatomy.recipes.superficial.refusals import refusals_table
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS, BASE
from anatomy.recipes.superficial.stages.orders import ORDERS
from anatomy.recipes.superficial.stages.transfer import SWEEP, TRANSFER
from anatomy.recipes.superficial.worked import worked_examples
from anatomy.stages.paper_report import Files
from anatomy.statistics.clusters import Sample, cluster_sums, resample_weights
from anatomy.statistics.intervals import mean_interval, percentile_bounds

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "torch": "imported with the names of tables; no model is opened",
    "transformers": "imported with the names of tables; no model is opened",
    "vllm": "imported with the names of tables; no engine is opened",
    "lm_eval": "imported for the name of a task's metric",
}
OWN = "own"
"""Both models spoken to as always."""
COVERS = (2, 3, 5, 10, 20, 50, 100, 200, 500)
"""Numbers of likeliest tokens up to the paper's 500; at 1 no shift is covered, by definition."""
TABLES = ("completions", "judgements", "variants", "samples", "kl", "shifts", "facts", "orders", "toxicity", "transfer", "sweep")
DEPARTURE = (
    " Not as in the paper: heads, the transferable one too, change the logits of the {most:,} likeliest tokens alone (those that "
    "have most of the probability on the training answers); all others keep the base's."
)
PUBLISHED = (
    "The paper's outcomes, the share of the gain that follows from them, and ours in the task that comes nearest. The measures "
    "are not the same: the paper's HarmRate is a closed judge's, its truthfulness that of judges of generated answers."
)
TITLES = {
    "gains": (
        "What a head explains",
        "Mean outcomes, and the share of the aligned model's gain that head and baselines bring.",
    ),
    "refusals": (
        "Refusals of every set",
        "Share of requests refused, with its interval over groups: by base, aligned model and heads. Look-alikes are harmless.",
    ),
    "heads": (
        "Heads beside one another",
        "Divergence from the aligned model on its test answers, in nats a token with its interval, and agreement.",
    ),
    "orders": (
        "The template control",
        "Divergence in nats a token where aligned model and base are spoken to otherwise (chat: through the template; plain: as "
        "plain text; the aligned model first), on the same answers. template alone: of the base from itself.",
    ),
    "spoken": ("Refusals by template", "Share refused by each model in each order of template."),
    "cover": (
        "Cover of shifts",
        "Share of positions where base and aligned model differ whose target is among the base's k likeliest tokens.",
    ),
    "transfer": (
        "The transferable head",
        "Share of requests refused (by rules) by each model as it is and with the head that reads logits.",
    ),
    "sweep": (
        "How many logits it reads",
        "Held-out divergence by k; share of the aligned model's answer tokens that are the likeliest with the head, on the base "
        "and on other models; and how alike the spaces of their k largest logits are (1: one space).",
    ),
    "kinds": (
        "Kinds of shift tokens",
        "Share of positions where the likeliest tokens differ, by the kind of word that is put there.",
    ),
}


def read_evidence(config: Config, files: Files) -> Tables:
    """Judgements, variants, benchmark samples, and what the diagnostics left."""
    return read_tables({name: files[name] for name in TABLES if files.get(name)})


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of every pair, seed by seed."""
    tables, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    seeds = {subject.id: subject.seed for subject in subjects(config)}
    parts = []
    for pair in aligned_pairs(config):
        seed = seeds[pair.aligned]
        own = of_models(tables, {pair.aligned, pair.base})
        parts.append(evaluate_ledger(claims_of(config, pair), own, seed=NO_SEED if seed is None else seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def aligned_pairs(config: Config) -> list[Pair]:
    """Pairs that claims are about."""
    return [pair for pair in pairs(config) if not pair.is_control]


def draw(plan: FigurePlan, config: Config, evidence: Tables) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    pair = next(pair for pair in pairs(config) if pair.aligned == plan.models[0])
    drawers = {
        "gains": lambda: drawn.gains(gains_table(config, [pair], evidence)),
        "kl_by_position": lambda: drawn.kl_by_position(evidence.rows("kl", model=pair.aligned), f"{pair.label}-{POOLED}"),
        "heads": lambda: drawn.heads(heads_table(config, evidence.rows("kl", model=pair.aligned, texts=ALIGNED_ANSWERS))),
        "ranks": lambda: drawn.ranks(
            heads_table(config, evidence.rows("kl", model=pair.aligned, texts=ALIGNED_ANSWERS)), pair.label
        ),
        "sweep": lambda: drawn.sweep(evidence.rows("sweep", model=pair.aligned)),
        "orders": lambda: drawn.orders(orders_table(config, evidence.rows("orders", model=pair.aligned))),
        "transfer": lambda: drawn.transfer(transfer_table(config, evidence.rows("transfer", model=pair.aligned))),
        "cover": lambda: drawn.cover(cover_table(evidence.rows("shifts", model=pair.aligned, head=BASE))),
        "shift_tokens": lambda: drawn.shift_tokens(evidence.rows("shifts", model=pair.aligned)),
    }
    return chart_or_note(drawers[plan.kind], f"nothing measured of {pair.aligned}")


def tabulate(name: str, config: Config, evidence: Tables) -> pd.DataFrame:
    """One of its tables."""
    if name == "gains":
        return gains_table(config, aligned_pairs(config), evidence)
    if name == "refusals":
        return refusals_table(config, aligned_pairs(config), evidence)
    if name == "heads":
        return heads_table(config, evidence.rows("kl", texts=ALIGNED_ANSWERS))
    if name == "orders":
        return orders_table(config, evidence.named.get("orders", pd.DataFrame(columns=ORDERS)))
    if name == "spoken":
        return spoken_table(config, evidence)
    if name == "sweep":
        return evidence.named.get("sweep", pd.DataFrame(columns=SWEEP))
    if name == "transfer":
        return transfer_table(config, evidence.named.get("transfer", pd.DataFrame(columns=TRANSFER)))
    if name == "cover":
        return cover_table(evidence.rows("shifts", head=BASE))
    counts = evidence.rows("shifts").groupby(["model", "head", "kind"]).size().rename("positions").reset_index()
    return counts.assign(share=counts["positions"] / counts.groupby(["model", "head"])["positions"].transform("sum"))


def heads_table(config: Config, kl: pd.DataFrame) -> pd.DataFrame:
    """Divergence and agreement of every head on the aligned model's answers, least divergence first.

    Returns:
        Columns ``model, head, kl, low, high, agreement, tokens``; intervals over prompts' groups, of the mean over tokens.
    """
    rows = [
        {"model": model, "head": head, **_token_mean(config, own), "agreement": float(own["agrees"].mean()), "tokens": len(own)}
        for (model, head), own in kl.groupby(["model", "head"])
    ]
    return pd.DataFrame(rows).sort_values(["model", "kl"], ignore_index=True)


def _token_mean(config: Config, own: pd.DataFrame) -> dict[str, float]:
    """Mean divergence over tokens, with its interval over groups."""
    wanted = config.statistics
    codes, labels = pd.factorize(own["group"])
    sums, counts = cluster_sums(own["kl"].to_numpy(np.float64), codes, len(labels))
    drawn_means = [(draws @ sums) / (draws @ counts) for draws in resample_weights(len(labels), wanted.bootstrap, wanted.seed)]
    low, high = percentile_bounds(np.concatenate(drawn_means), wanted.confidence)
    return {"kl": float(own["kl"].mean()), "low": low, "high": high}


def orders_table(config: Config, rows: pd.DataFrame) -> pd.DataFrame:
    """Divergences in each order of template.

    Returns:
        Columns ``model, order, arm, kl, low, high, tokens``; intervals over prompts' groups, of the mean over tokens.
    """
    names = ["model", "order", "arm"]
    found = [
        {**dict(zip(names, key, strict=True)), **_token_mean(config, own), "tokens": len(own)}
        for key, own in rows.groupby(names, sort=False)
    ]
    return pd.DataFrame(found, columns=[*names, "kl", "low", "high", "tokens"])


def spoken_table(config: Config, evidence: Tables) -> pd.DataFrame:
    """Refusals of base, base with the head of the order, and aligned model in each order of template and in their own.

    Returns:
        Columns ``model`` (the aligned one), ``order, who, set, refused, low, high, n``.
    """
    wanted = Resampling(config.statistics.confidence, config.statistics.seed, config.statistics.bootstrap)
    known, rows = {subject.id: subject for subject in subjects(config)}, []
    for pair in aligned_pairs(config):
        reads = [read for read in tasks_of(config, pair).values() if isinstance(read, Refusals)]
        reads += [replace(read, prompts=config.evaluation.benign) for read in reads]
        for order in [OWN, *orders(config, pair)]:
            arms = {"base": pair.base, "head": pair.base, "aligned": pair.aligned}
            for (who, model), read in product(arms.items(), reads):
                if who == "head":
                    selector = selector_of(evidence, pair, f"{pair.label}-{POOLED if order == OWN else order}", "test")
                else:
                    own = "template" if known[model].template else "plain"
                    way = own if order == OWN else way_of(order, who)
                    selector = UNEDITED if way == own else VariantSelector("control", f"as-{way}")
                found = level(read, model, selector)(evidence)
                assert isinstance(found, Contrast)
                mean = mean_interval(found.sample, **wanted.options)
                named = {"model": pair.aligned, "order": order, "who": who, "set": read.prompts}
                rows.append({**named, "refused": mean.estimate, "low": mean.low, "high": mean.high, "n": mean.n})
    return pd.DataFrame(rows)


def transfer_table(config: Config, transfer: pd.DataFrame) -> pd.DataFrame:
    """Refusal of each model of the family as it is and with the transferable head.

    Returns:
        Columns ``model, target, arm, set, refused, low, high, n``; no rows where no such head was asked for.
    """
    rows, wanted = [], Resampling(config.statistics.confidence, config.statistics.seed, config.statistics.bootstrap)
    names = ["model", "target", "arm", "set"]
    for key, own in transfer.groupby(names, sort=False):
        sample = Sample(own["value"].to_numpy(np.float64), own["group"].to_numpy(object))
        found = mean_interval(sample, **wanted.options)
        named = dict(zip(names, key, strict=True))
        rows.append({**named, "refused": found.estimate, "low": found.low, "high": found.high, "n": found.n})
    return pd.DataFrame(rows, columns=[*names, "refused", "low", "high", "n"])


def cover_table(shifts: pd.DataFrame) -> pd.DataFrame:
    """The paper's cover rate: the share of the base's shift positions whose target is among its k likeliest tokens.

    Returns:
        Columns ``model, set, k, covered, shifts``.
    """
    rows = [
        {"model": model, "set": name, "k": k, "covered": float((own["rank"] <= k).mean()), "shifts": len(own)}
        for (model, name), own in shifts.groupby(["model", "set"])
        for k in COVERS
    ]
    return pd.DataFrame(rows)


def title_of(table: str) -> str:
    """Caption of a table."""
    return TITLES[table][1]


def sections(config: Config, evidence: Tables, figures: Path) -> list[Section]:
    """One section."""
    items: list[Item] = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in RECIPE.plans(config)]
    items += [PageTable(title, caption, tabulate(name, config, evidence)) for name, (title, caption) in TITLES.items()]
    items += [item for pair in aligned_pairs(config) for item in worked_examples(config, pair, evidence)]
    if config.superficial.published:
        table = published_shares(read_published(Path(config.superficial.published)), tabulate("gains", config, evidence))
        items.append(PageTable("The paper's numbers", PUBLISHED, table))
    return [
        Section(
            "superficial",
            "Superficial knowledge",
            "What of alignment a residual on the base's output head carries."
            + (DEPARTURE.format(most=config.superficial.union) if config.superficial.union else ""),
            items,
        )
    ]
