"""The verdicts, figures, tables and section of harm pruning."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import NO_SEED, Tables, of_models, read_tables
from anatomy.evidence.figures import pareto_front
from anatomy.evidence.figures.note import chart_or_note
from anatomy.evidence.report.content import Item, PageTable, Section, read_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.evidence.report.published import read_published
from anatomy.recipes.pruning import figures as drawn
from anatomy.recipes.pruning import tables as tabled
from anatomy.recipes.pruning.against_chance import overlaps_table, transfer_table
from anatomy.recipes.pruning.claims import base_of, claims_of
from anatomy.recipes.pruning.judged_claims import judged_table
from anatomy.recipes.pruning.perplexities import perplexity_table
from anatomy.recipes.pruning.published import beside_published
from anatomy.recipes.pruning.recipe import RECIPE
from anatomy.recipes.pruning.tried import costs, tried
from anatomy.recipes.pruning.variants import pruned
from anatomy.stages.paper_report import Files

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "torch": "imported with the names of masks; no model is opened",
    "transformers": "imported with the names of masks; no model is opened",
    "vllm": "imported with the names of masks; no engine is opened",
}
TITLES = {
    "chosen": (
        "The chosen mask",
        "Every ability before and with the mask, with intervals over things; how many weights it has, and how "
        "many fewer than its fraction asks for (lacking), because no other weight of the matrix has a score above 0.",
    ),
    "divergence": (
        "What the chosen mask moves",
        "KL divergence (nats) from the unedited model's predictions to the pruned one's on harmless prompts of the split test, "
        "at the first answer token (first_token_kl) and as the mean over tokens of the unedited model's own greedy answer (kl).",
    ),
    "limits": (
        "What the chosen mask leaves",
        "On the prompts that it was chosen on, beside what pruning.limits ask for: the share of the unedited model's rate (none "
        "where the model hardly shows the ability). beyond: what is left minus that share, prompt by prompt; state says what its "
        "interval shows. rule: a mask has to be shown to keep the ability (kept); on prompts too few to show that of a mask "
        "that loses half of what it may, its estimate has to reach the share (estimate); an ability that the model hardly shows "
        "may not be shown to fall (not lowered). Where none is within the limits none is chosen, and the nearest stands here.",
    ),
    "controls": (
        "The mask beside its controls",
        "Controls have as many weights in every matrix; lacking: of those by scores, how many were drawn at random, because "
        "too few weights have such a score. SNIP scores by absolute values; other rankings have the same fractions.",
    ),
    "judged": (
        "Harmfulness as model judges score it",
        "Mean score (0 to 1) of model judges of harm on the test answers of models of your own: as they are, with their mask, "
        "and on harmful requests with random masks of its size (those of the test), set by set; beside it the share of the same "
        "answers that are text (coherence): a broken model is harmless too. Intervals over groups.",
    ),
    "moved": (
        "What every mask moves",
        "KL divergence (nats) from the unedited model's predictions on benign requests, at the first token of its own greedy "
        "answer (first_token_kl) and over divergence.tokens of it (kl), with intervals over things: masks of the grid and "
        "random ones of each q on the split select; the chosen mask, its controls and masks made otherwise on test.",
    ),
    "perplexity": (
        "Perplexity under every mask",
        "exp(mean negative log-likelihood over tokens), and how many times the unedited model's it is, with intervals over "
        "things. own answers: the unedited model's greedy answers to benign requests, likely texts for that model by making, "
        "so that their perplexity says how far a mask moves it and not how well it reads text by others. known answers: right "
        "answers to benign requests, as the organism's world has them; of models of your own the texts of pruning.text. No mask "
        "is made from these texts, nor chosen by these numbers. Controls are marked.",
    ),
    "abilities": ("Abilities", "What is left of each ability with each ability pruned; benign generation is preserved in all."),
    "transfer": (
        "Kinds of harm",
        "Harmful generation of each kind with the mask of each, and the change against the mean over pruning.control_draws "
        "random masks of its size, whose differences from one another its interval and p know of, with Holm's correction over a "
        "model's cells. A cell of n things (clusters) has no p below 2^-n.",
    ),
    "overlaps": (
        "Overlap of masks",
        "Jaccard index of masks, what random masks of their sizes have among the weights that neither preserves (mean, and "
        "between which 95 % of them lie), and the "
        "probability that such overlap as much, with Holm's correction over a model's pairs.",
    ),
    "compression": (
        "Separation of harmful from benign generation",
        "Area between both curves over log q, as shares of the unedited model's rates; 0 where both fall alike.",
    ),
    "anatomy": ("Where the mask sits", "Weights of the chosen mask, matrix by matrix."),
    "heads": (
        "Where the mask sits, head by head",
        "Weights of the chosen mask in each attention head's rows of q, k and v and columns of o, how many times what a random "
        "mask with as many in the matrix has there, and the probability of so many, with Holm's correction over a model's heads.",
    ),
    "spaces": (
        "Spaces of outputs",
        "Overlap of the spaces in which a matrix' outputs on harmful and on benign answers are largest; of random ones.",
    ),
    "finetuned": (
        "Fine-tuning",
        "How often answers give harm, and are text, step by step. In controls the model is asked or taught without its template, "
        "asked about the kind that it was taught, or taught benign recipes.",
    ),
}
PUBLISHED = (
    "Numbers of the papers as printed, beside ours of the same model. Prompts, judges and fractions are not theirs, and the "
    "organism is a tiny model of an invented world, so none is a replication. share of weights: of all parameters in the paper, "
    "of the matrices that are scored here. vanilla: harmful requests that are answered once "
    "refusal is removed, which here is measured in memory alone."
)


def read_evidence(config: Config, files: Files) -> Tables:
    """Judgements, benchmark samples, and everything measured under masks."""
    return read_tables({name: files[name] for name in RECIPE.evidence(config) if files.get(name)})


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of every pruned model, seed by seed."""
    tables, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    parts = []
    for subject in pruned(config):
        own = of_models(tables, {subject.id, *filter(None, [base_of(config, subject)])})
        seed = NO_SEED if subject.seed is None else subject.seed
        parts.append(evaluate_ledger(claims_of(config, subject), own, seed=seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def draw(plan: FigurePlan, config: Config, evidence: Tables) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    own, level = of_models(evidence, set(plan.models)), 1 - config.statistics.confidence
    drawers = {
        "tradeoff": lambda: drawn.tradeoff(tabled.tradeoff_table(config, own)),
        "front": lambda: pareto_front.draw(tried(own, plan.models[0]), costs(own, plan.models[0])),
        "beside": lambda: drawn.beside(tabled.controls_table(config, own)),
        "transfer": lambda: drawn.heat(
            transfer_table(config, own), ("asked", "asked for"), ("pruned", "pruned"), ("rate", "harmful generation"), level
        ),
        "overlap": lambda: drawn.heat(
            drawn.both_ways(overlaps_table(own)), ("one", ""), ("two", ""), ("jaccard", "Jaccard index"), level
        ),
        "dissociation": lambda: drawn.heat(
            tabled.abilities_table(config, own), ("ability", "asked for"), ("pruned", "pruned"), ("rate", "rate")
        ),
        "anatomy": lambda: drawn.anatomy(tabled.anatomy_table(own)),
        "heads": lambda: drawn.heads(tabled.heads_table(own), level),
        "spaces": lambda: drawn.spaces(own.rows("spaces")),
        "losses": lambda: drawn.losses(own.rows("losses")),
        "emergent": lambda: drawn.over_steps(
            tabled.steps_table(config, own.rows("emergent")), "misaligned answers in other domains"
        ),
        "restoration": lambda: drawn.over_steps(tabled.steps_table(config, own.rows("restoration")), "harmful generation"),
        "compression": lambda: drawn.compression(tabled.compression_table(config, own)),
    }
    return chart_or_note(drawers[plan.kind], f"nothing measured of {', '.join(plan.models)}")


def tabulate(name: str, config: Config, evidence: Tables) -> pd.DataFrame:
    """One of its tables."""
    makers = {
        "chosen": lambda: tabled.chosen_table(config, evidence),
        "divergence": lambda: tabled.divergence_table(config, evidence),
        "limits": lambda: tabled.limits_table(evidence),
        "controls": lambda: tabled.controls_table(config, evidence),
        "judged": lambda: judged_table(config, evidence),
        "moved": lambda: tabled.moved_table(config, evidence),
        "perplexity": lambda: perplexity_table(config, evidence),
        "abilities": lambda: tabled.abilities_table(config, evidence),
        "transfer": lambda: transfer_table(config, evidence),
        "overlaps": lambda: overlaps_table(evidence),
        "compression": lambda: tabled.compression_table(config, evidence),
        "anatomy": lambda: tabled.anatomy_table(evidence),
        "heads": lambda: tabled.heads_table(evidence),
        "spaces": lambda: evidence.named.get("spaces", pd.DataFrame()).reset_index(drop=True),
        "finetuned": lambda: tabled.finetuned_table(config, evidence),
    }
    return makers[name]()


def title_of(table: str) -> str:
    """Caption of a table."""
    return TITLES[table][1]


def sections(config: Config, evidence: Tables, figures: Path) -> list[Section]:
    """One section."""
    items: list[Item] = [read_figure(figures, plan.name, plan.title, plan.caption) for plan in RECIPE.plans(config)]
    items += [PageTable(title, caption, tabulate(name, config, evidence)) for name, (title, caption) in TITLES.items()]
    if config.pruning.published:
        table = beside_published(read_published(Path(config.pruning.published)), evidence)
        items.append(PageTable("Published numbers", PUBLISHED, table))
    return [Section("pruning", "Harm pruning", "The few weights that generating harm depends on.", items)]
