"""The page of ROSI: its sections in the order in which a reader asks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import BASE, MissingEvidence, VariantSelector, find_variant
from anatomy.evidence.report.content import Item, PageCompletions, PageTable, Section, read_figure
from anatomy.evidence.report.exchanges import pair_completions
from anatomy.evidence.report.tables import wide_table
from anatomy.recipes.rosi.candidates_table import candidates_table
from anatomy.recipes.rosi.edits_table import edits_table, printed_edits
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.first_screen import first_screens
from anatomy.recipes.rosi.judging import judge_tables
from anatomy.recipes.rosi.plans import DETAILED, TABLE_PLANS, detailed, figure_plans
from anatomy.recipes.rosi.selection_table import selection_table
from anatomy.recipes.rosi.tables import tabulate

SECTIONS = (
    ("behaviour", "What changes", "Refusal of harmful, benign, look-alike and jailbreak-shaped requests on the test split."),
    ("utility", "What it costs", "Benchmarks on the same variants."),
    ("realignment", "Bringing refusal back", "ROSI on models whose refusals were trained away."),
    ("directions", "Where it sits", "The published selection of a refusal direction, with every candidate."),
    ("strength", "How much is enough", "The search over layers, strengths and signs on the select split."),
    ("categories", "For which harm", "Refusal by category."),
    ("inside", "Inside the model", "What the edit moves along the direction."),
    ("organism", "The organism", "Tiny models with planted truth, grown for this run: they test the method itself."),
)


def sections(config: Config, evidence: Evidence, figures: Path) -> list[Section]:
    """All sections that have something to show."""
    plans = figure_plans(config)
    found = first_screens(config, evidence)
    for name, title, lead in SECTIONS:
        items: list[Item] = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in plans if plan.section == name]
        items += [table for table in tables(config, evidence, name)]
        if items:
            found.append(Section(name, title, lead, items))
    answers = completions(config, evidence)
    if answers:
        found.append(
            Section("answers", "Answers side by side", "The same prompts before and after; changed verdicts first.", answers)
        )
    found.append(
        Section(
            "judges",
            "How far judges agree",
            "Judges of different kinds on the same answers of the test split.",
            judge_tables(config, evidence),
        )
    )
    return found


def tables(config: Config, evidence: Evidence, section: str) -> list[PageTable]:
    """The tables of a section."""
    found = []
    for plan in TABLE_PLANS:
        tidy = tabulate(plan, config, evidence) if plan.section == section else pd.DataFrame()
        if not tidy.empty:
            found.append(PageTable(plan.title, plan.caption, wide_table(tidy)))
    if section == "utility" and not (moved := edits_table(config, evidence)).empty:
        found.append(
            PageTable(
                "What each edit moves",
                "On the test split. KL: divergence (nats) from the unedited model's predictions to the edited one's on harmless "
                "prompts, at the first answer token and as the mean over the tokens of the unedited model's own greedy answer, "
                "with 95 % intervals clustered by item; of controls, between which of the latter means edits lie that "
                "went through the same search.",
                printed_edits(moved),
            )
        )
    if section == "directions" and not (chosen := selection_table(config, evidence)).empty:
        found.append(
            PageTable(
                "The direction of each model",
                "What the published rule picked (Arditi et al. 2024, Table 5); scores on the select split.",
                chosen,
            )
        )
    if section == "directions" and not evidence.foreign.empty:
        found.append(
            PageTable(
                "Directions that other tools made",
                "Layer by layer, beside the model's own difference in means. Edits along them went through the same search, and "
                "are ranked among the same controls. One that points away from the model's own is used turned round, so that a "
                "positive sign means the same of both.",
                evidence.foreign,
            )
        )
    if section == "strength" and not (tried := candidates_table(config, evidence)).empty:
        found.append(
            PageTable(
                "Candidates, and why one was picked",
                "Changes against the unedited model on the select split: of the candidates that answers were generated with, and "
                "of the strongest that were thrown out by the first answer token. No candidate that refuses fewer harmful "
                "requests is picked; a limit counts as broken where the whole interval lies above it. first_token_kl: KL "
                "divergence (nats) of the first answer token on harmless prompts, from the unedited model.",
                tried,
            )
        )
    if section == "strength" and len(evidence.adapters):
        found.append(
            PageTable(
                "The picked edits",
                "One rank-one adapter for each method; relative norm is the mean over matrices of ||Delta||_F / ||W||_F.",
                evidence.adapters,
            )
        )
    if section == "organism" and evidence.bars is not None:
        found.append(
            PageTable(
                "Criteria of the organism", "One row for each member and criterion; an empty target: none was set.", evidence.bars
            )
        )
    return found


def completions(config: Config, evidence: Evidence) -> list[Item]:
    """Answers of the detailed models, unedited and under each method's pick."""
    found: list[Item] = []
    for subject in detailed(config):
        names, columns = [], []
        for title, selector in (("unedited", BASE), *((family, VariantSelector("method", family)) for family in DETAILED)):
            try:
                names.append(find_variant(evidence.tables, subject.id, selector, "test")["variant"])
                columns.append(title)
            except MissingEvidence:
                continue
        for name in config.evaluation.pair:
            exchanges = pair_completions(
                evidence.tables.completions,
                evidence.tables.judgements,
                model=subject.id,
                prompts=name,
                variants=names,
                judge=config.judges[0],
                phase="test",
                show_all=subject.is_organism or config.report.show_answers,
                limit=config.report.examples,
            )
            if exchanges:
                found.append(PageCompletions(f"{subject.id}: {name.replace('_', ' ')}", "", columns, exchanges))
    return found
