"""The verdicts, figures, tables and section of the mechanism battery."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import NO_SEED, Tables, of_models, read_tables
from anatomy.evidence.figures.note import chart_or_note
from anatomy.evidence.report.content import Item, PageTable, Section, read_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.mechanisms import circuit_figures as circuits
from anatomy.recipes.mechanisms import direct_figures as written
from anatomy.recipes.mechanisms import figures as drawn
from anatomy.recipes.mechanisms import geometry_figures as geometry
from anatomy.recipes.mechanisms import layer_figures as layered
from anatomy.recipes.mechanisms import lens_figures as lens
from anatomy.recipes.mechanisms import probe_figures as probes
from anatomy.recipes.mechanisms import steering_figures as steered
from anatomy.recipes.mechanisms import steering_table
from anatomy.recipes.mechanisms.agreement_claims import agreement_claims, tops_table
from anatomy.recipes.mechanisms.circuit_claims import circuit_claims
from anatomy.recipes.mechanisms.circuit_tables import CIRCUIT_COLUMNS
from anatomy.recipes.mechanisms.claims import claims_of
from anatomy.recipes.mechanisms.evidence_tables import further
from anatomy.recipes.mechanisms.fact_claims import fact_claims, facts_table
from anatomy.recipes.mechanisms.fact_figures import facts
from anatomy.recipes.mechanisms.feature_claims import feature_claims, fidelity_table, rows_of
from anatomy.recipes.mechanisms.feature_figures import features
from anatomy.recipes.mechanisms.geometry_claims import geometry_claims
from anatomy.recipes.mechanisms.profiles import INSTRUMENTS, agreement_table, profile_table
from anatomy.recipes.mechanisms.recipe import COLUMNS, RECIPE, looked_into
from anatomy.recipes.mechanisms.survey_claims import survey_claims
from anatomy.stages.paper_report import Files

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "torch": "imported with the names of tables; no model is opened",
    "scikit-learn": "imported with what fits probes; none is fitted here",
}
TITLES = {
    "agreement": (
        "Agreement of instruments",
        "Rank correlation over layers of every two instruments' mean profiles, with its interval over groups of prompts. Layers "
        "are those of the stream: what a block writes is compared with what is read behind it.",
    ),
    "tops": (
        "Top layers",
        "The layer of the stream at which each causal instrument finds most, beside the selection's and, where a member of the "
        "organism was trained from a base, beside the block whose base weights take most refusal away, with an interval. "
        "Instruments say where refusal comes in, and a stream carries it from there on; the selection weighs, among the layers "
        "that carry it, what ablating does to harmful against what it does to harmless prompts, and so may pick a later one.",
    ),
    "modes": (
        "Ways of steering",
        "Mean refusal metric and divergence by kind of prompt, and perplexity of harmless answers, with the direction, its "
        "opposite where it caps, and a random one; intervals over groups of prompts.",
    ),
    "profiles": (
        "What instruments say of each layer",
        "Mean with its interval over groups of prompts; share of the instrument's largest. Of probes, what is above chance.",
    ),
    "pairs": ("Pairs", "Pairs of prompts whose activations were exchanged, and the refusal metric of both sides."),
    "aurocs": (
        "Probes",
        "AUROC on groups that the probe has not seen, with its interval over groups of both kinds of prompts; the bag of "
        "words has no layer (-1). Of an unseen kind (source and category) no prompt was learned from.",
    ),
    "places": (
        "Probes by layer and token",
        "The same of the difference of means at each token from the end, from the request's last one on, beside shuffled labels.",
    ),
    "lenses": (
        "What lenses read",
        "At the last token of test prompts, by layer: mean probability and median rank of refusal tokens, of openers, of the "
        "token that the model's own answer to the prompt begins with, and of random tokens, as many as refusal tokens; and the "
        "divergence from the model's final prediction, in nats. No lens has seen these prompts.",
    ),
    "tokens": (
        "Tokens that lenses look for",
        "Openers are the likeliest first tokens of the model's own answers to harmless prompts of fit; share of the answers that "
        "begin with no refusal token.",
    ),
    "writers": (
        "What writes along each direction",
        "Heads and MLPs that write most along the refusal direction, the style of post-training, the direction that ROSI writes, "
        "and a random one, at the last token: refused minus answered prompt of each pair, and its share of all that the two "
        "differ by. Chosen and read on the same pairs.",
    ),
    "heads": (
        "Heads and their paths",
        "Heads that fit pairs chose, and random ones: mean recovery on test pairs by all of the head, with its interval over "
        "groups, past everything after it, without attention of later blocks, and summed over single later heads: alone (edges), "
        "or with MLPs before it (routes), with the head that the largest route goes through.",
    ),
    "subspaces": (
        "Exchanged subspaces",
        "Mean recovery on test pairs by an exchange at the picked direction's place, with its interval over groups, and "
        "the mean length of the change.",
    ),
    "angles": (
        "Angles between directions",
        "Cosine of every two directions at the layer of the picked one (the middle layer where none was picked). Independent "
        "ones have about 1 / sqrt(width).",
    ),
    "stability": (
        "Stability of directions",
        "Cosine of each difference in means with the same on groups of prompts that are drawn anew: median and middle 95 %.",
    ),
    "kinds": (
        "One direction or several",
        "Cosine of a test prompt with its own kind's direction minus the mean with other kinds', beside kinds dealt at random; "
        "share of all kinds' directions along one line; smallest angle of the space of kinds with others.",
    ),
    "fidelity": (
        "Sparse autoencoder",
        "On held-out answers, without their prompts: features that fire at once, share of the variance explained, living "
        "features, and loss a token as the model is, with the layer as features rebuild it, and with the layer at its mean.",
    ),
    "nearest": (
        "Features nearest to directions",
        "Cosine of decoder rows with directions; chance: the best of as many random ones.",
    ),
    "cards": (
        "Feature cards",
        "Share of tokens on which a feature fires, mean strength at the last token of each kind of prompt, tokens that it raises "
        "and tokens on which it fires most. Single tokens are shown, never the texts they stand in.",
    ),
    "facts": (
        "Rewritten facts",
        "Shares after a rank-one change of one block's MLP: facts said anew, said in other wordings, and unrelated facts that "
        "stay; beside the same change read by a random key, and under other edits.",
    ),
    "seeds": ("Directions across seeds", "Cosine of a member's directions between organism seeds, beside chance."),
}
PER_MODEL = {
    "angles": geometry.angles_table,
    "stability": geometry.stability_table,
    "kinds": geometry.kinds_table,
    "fidelity": fidelity_table,
    "nearest": lambda tables, model: rows_of(tables, "feature_directions", model),
    "facts": facts_table,
    "cards": lambda tables, model: rows_of(tables, "cards", model),
}
WITH_INTERVALS = {
    "aurocs": probes.aurocs,
    "places": probes.places,
    "lenses": lens.lenses,
    "tokens": lens.tokens_read,
    "writers": written.writers,
    "modes": steering_table.steered,
    "heads": circuits.heads_table,
    "subspaces": circuits.subspaces_table,
}


def read_evidence(config: Config, files: Files) -> Tables:
    """What instruments left of every model."""
    return read_tables({name: files[name] for name in (*COLUMNS, *CIRCUIT_COLUMNS, *further(config)) if files.get(name)})


def judge(config: Config, files: Files) -> pd.DataFrame:
    """The ledger of every model, seed by seed."""
    tables, wanted = read_evidence(config, files), config.statistics
    resampling = Resampling(wanted.confidence, wanted.seed, wanted.bootstrap)
    parts = []
    for subject in looked_into(config):
        seed = NO_SEED if subject.seed is None else subject.seed
        own = of_models(tables, {subject.id})
        asked = [
            *claims_of(config, subject),
            *agreement_claims(config, subject),
            *survey_claims(config, subject),
            *circuit_claims(config, subject),
            *geometry_claims(subject),
            *feature_claims(config, subject),
            *fact_claims(config, subject),
        ]
        parts.append(evaluate_ledger(asked, own, seed=seed, resampling=resampling))
    return pd.concat(parts, ignore_index=True)


def draw(plan: FigurePlan, config: Config, evidence: Tables) -> alt.TopLevelMixin:
    """Draw a figure; where the run has no evidence for it, a note that says what is missing takes its place."""
    model = plan.models[0]
    drawers = {
        "atlas": lambda: drawn.atlas(profile_table(config, evidence, model)),
        "patching": lambda: drawn.patching(evidence.rows("patching", model=model)),
        "heads": lambda: drawn.heads(evidence.rows("patching", model=model)),
        "predicted": lambda: drawn.predicted(evidence.rows("patching", model=model)),
        "lens": lambda: lens.lens(evidence.rows("lens", model=model)),
        "probes": lambda: probes.by_layer(probes.aurocs(config, evidence, model)),
        "places": lambda: probes.by_place(probes.places(config, evidence, model)),
        "direct": lambda: written.direct(evidence.rows("direct", model=model)),
        "attention": lambda: drawn.attention(evidence.rows("attention", model=model)),
        "steering": lambda: drawn.steering(evidence.rows("steering", model=model)),
        "modes": lambda: steered.modes(evidence.rows("modes", model=model), rows_of(evidence, "steered_answers", model)),
        "layers": lambda: layered.own_directions(evidence.rows("layer_steering", model=model)),
        "exchanged": lambda: layered.exchanged_blocks(evidence.rows("transplants", model=model)),
        "moved": lambda: steered.moved(evidence.rows("moved", model=model)),
        "paths": lambda: circuits.paths(evidence.rows("paths", model=model)),
        "interchange": lambda: circuits.interchange(evidence.rows("interchange", model=model)),
        "facts": lambda: facts(evidence.rows("fact_patches", model=model), facts_table(evidence, model)),
        "features": lambda: features(evidence.rows("feature_steering", model=model)),
        "angles": lambda: geometry.angles(evidence.rows("angles", model=model)),
        "shifts": lambda: geometry.shifts(evidence.rows("shifts", model=model)),
    }
    return chart_or_note(drawers[plan.kind], f"nothing measured of {model}: it has no refusal tokens")


def tabulate(name: str, config: Config, evidence: Tables) -> pd.DataFrame:
    """One of its tables."""
    models = [subject.id for subject in looked_into(config)]
    if name == "pairs":
        rows = evidence.named.get("patching", pd.DataFrame(columns=["model", "way"]))
        columns = ["model", "id", "corrupt_id", "clean", "corrupt"]
        return rows[rows["way"] == "denoise"].drop_duplicates(["model", "id"]).reindex(columns=columns).reset_index(drop=True)
    if name in WITH_INTERVALS:
        return pd.concat([WITH_INTERVALS[name](config, evidence, model) for model in models], ignore_index=True)
    if name == "seeds":
        return geometry.seeds_table(config, evidence)
    if name == "tops":
        return pd.concat([tops_table(config, evidence, model) for model in models], ignore_index=True)
    if name in PER_MODEL:
        return pd.concat([PER_MODEL[name](evidence, model) for model in models], ignore_index=True)
    maker = agreement_table if name == "agreement" else profile_table
    table = pd.concat([maker(config, evidence, model) for model in models], ignore_index=True)
    named = [column for column in ("instrument", "one", "two") if column in table]
    return table.assign(**{column: table[column].map(INSTRUMENTS) for column in named})


def title_of(table: str) -> str:
    """Caption of a table."""
    return TITLES[table][1]


def sections(config: Config, evidence: Tables, figures: Path) -> list[Section]:
    """One section."""
    items: list[Item] = [
        read_figure(figures, plan.name, plan.title, plan.caption, drawn.anchor_of(plan.kind, plan.models[0]))
        for plan in RECIPE.plans(config)
    ]
    items += [PageTable(title, caption, tabulate(name, config, evidence)) for name, (title, caption) in TITLES.items()]
    return [Section("mechanisms", "Mechanism battery", "Where instruments say that refusal sits.", items)]
