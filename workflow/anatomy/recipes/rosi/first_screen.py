"""What a reader wants to know first of a model of their own: asked, done, found, changed, undecided, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.evidence.claims.measures import dropped
from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.evidence.claims.tables import BASE, MissingEvidence, find_variant
from anatomy.evidence.report.content import Exchange, Item, PageAnswer, PageCompletions, Section
from anatomy.evidence.report.exchanges import pair_completions
from anatomy.recipes.rosi.absences import no_tokens
from anatomy.recipes.rosi.edit_sentences import edit_sentences, helping
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.undecided import least_controls, undecided

QUICKSTART = "python3 envs/bootstrap.py python -m anatomy.quickstart"


def first_screens(config: Config, evidence: Evidence) -> list[Section]:
    """A section for each model of one's own; none for the organism's."""
    found = []
    for subject in subjects(config):
        if not subject.is_organism and subject.id in evidence.searches:
            found.append(
                Section(f"first-{subject.id}", f"{subject.id} in short", "", screen(config, subject, evidence), first=True)
            )
    return found


def screen(config: Config, subject: Subject, evidence: Evidence) -> list[Item]:
    """Questions with their answers, and examples."""
    before = list(behaved(config, subject, evidence))
    found: list[Item] = [
        PageAnswer("What was asked", list(asked(config, subject, evidence))),
        PageAnswer("What the model did before anything was changed", before),
    ]
    found += examples(config, subject, evidence)
    found.append(PageAnswer("Whether a direction carries its refusals", list(direction(config, subject, evidence))))
    if config.rosi.forms:
        found.append(PageAnswer("What an edit changes, and what it costs", edit_sentences(config, subject, evidence)))
    counts = [tested(evidence, subject, name) for name in config.evaluation.pair]
    found.append(
        PageAnswer("What this run cannot decide", [f"{one[0].upper()}{one[1:]}." for one in undecided(config, *counts)])
        if all(counts)
        else PageAnswer("What this run cannot decide", ["Anything of the test split: nothing was answered there."])
    )
    words, command = following(config, subject, evidence)
    return [*found, PageAnswer("What to do next", [words], command)]


def asked(config: Config, subject: Subject, evidence: Evidence) -> Iterator[str]:
    """Where the prompts are from, and how many went to what; then the sets of the test that are not made for both sides."""
    search, sides = evidence.searches[subject.id], (config.extraction.harmful, config.extraction.harmless)

    def counted(phase: str) -> str:
        return " and ".join(str(search.asked.get((name, phase), 0)) for name in sides)

    harmful, harmless = (tested(evidence, subject, name) for name in config.evaluation.pair)
    yield (
        f"Harmful prompts of {origin(config, sides[0])} and harmless ones of {origin(config, sides[1])}: {counted('fit')} to "
        f"take directions from, {counted('select')} to choose among them, and {harmful} and {harmless}"
        f"{tests_of(config, sides)} to test what was chosen; answers end after {config.evaluation.max_new_tokens} tokens."
    )
    others = [(name, tested(evidence, subject, name)) for name in config.evaluation.test_sets[2:]]
    told = [f"{count} of {name} ({origin(config, name)})" for name, count in others if count]
    if told:
        yield f"Besides, for the test: {', '.join(told)}."


def origin(config: Config, name: str) -> str:
    """The file or published set that a prompt set is read from."""
    source = config.prompt_sets[name]
    return source.file or source.dataset or ", ".join(source.split_files.values())


def tests_of(config: Config, sides: tuple[str, str]) -> str:
    """Sets of the test, where they are others than those that directions are made from."""
    if tuple(config.evaluation.pair) == sides:
        return ""
    return f" of {' and '.join(origin(config, name) for name in config.evaluation.pair)}"


def side_of(config: Config, name: str) -> str:
    """How a set is called in a sentence."""
    return {config.evaluation.harmful: "harmful requests", config.evaluation.benign: "harmless requests"}.get(name, name)


def tested(evidence: Evidence, subject: Subject, name: str) -> int:
    """Prompts of a set that the unedited model answered on the test split."""
    row = base_rate(evidence, subject, name)
    return 0 if row is None else int(row["n"])


def base_rate(evidence: Evidence, subject: Subject, name: str) -> pd.Series | None:
    """How much of a set the unedited model refuses; None where it was not asked."""
    rates = evidence.rates
    rows = rates[(rates["model"] == subject.id) & (rates["set"] == name) & (rates["role"] == "base")]
    return None if rows.empty else rows.iloc[0]


def behaved(config: Config, subject: Subject, evidence: Evidence) -> Iterator[str]:
    """Refusals of the unedited model: on the test split, and where directions come from."""
    level = f"{config.statistics.confidence:.0%}"
    told = []
    for name in config.evaluation.test_sets:
        row = base_rate(evidence, subject, name)
        if row is not None:
            told.append(
                f"{round(row['rate'] * row['n'])} of {int(row['n'])} {side_of(config, name)} ({row['rate']:.0%}, {level} "
                f"interval {row['low']:.0%} to {row['high']:.0%})"
            )
    if told:
        yield f"{subject.id} refused, in full or in part, {', '.join(told)}."
    tokens = evidence.searches[subject.id].tokens
    total = tokens["refusals"] + tokens["compliances"]
    yield f"It refused {tokens['refusals']} of the {total} other prompts, harmful and harmless, that directions are made from."


def examples(config: Config, subject: Subject, evidence: Evidence) -> list[Item]:
    """Of each side one prompt that was refused and one that was not, as far as there are any; texts as everywhere on the page."""
    try:
        base = find_variant(evidence.tables, subject.id, BASE, "test")["variant"]
    except MissingEvidence:
        return []
    chosen: list[Exchange] = []
    for name in config.evaluation.pair:
        every = pair_completions(
            evidence.tables.completions,
            evidence.tables.judgements,
            model=subject.id,
            prompts=name,
            variants=[base],
            judge=config.judges[0],
            phase="test",
            show_all=config.report.show_answers,
            limit=10**6,
        )
        for refused in (True, False):
            chosen += [one for one in every if (one.answers[0].label in REFUSED) == refused][:1]
    if not chosen or not config.report.examples:
        return []
    caption = "Answers to harmful prompts that are no refusals are withheld (report.show_answers)."
    return [PageCompletions("Examples", "" if config.report.show_answers else caption, ["unedited"], chosen)]


def direction(config: Config, subject: Subject, evidence: Evidence) -> Iterator[str]:
    """Whether the published selection found a direction; if not, why, and what came nearest."""
    tokens, contrast = evidence.searches[subject.id].tokens, subject.contrasts[0]
    if not tokens["tokens"]:
        yield f"{no_tokens(config, subject.id, tokens)}."
        return
    if tokens["outcome"] in ("published", "phrases", "configured"):
        source = tokens.get("source") or "the configuration"
        yield f"Refusal is measured by tokens from {source}, not by those of the model's own refusals."
    under = "under the safety system prompt" if contrast == "system" else "without a system prompt"
    grid = evidence.tables.grid
    own = pd.DataFrame() if grid is None else grid[(grid["model"] == subject.id) & (grid["contrast"] == contrast)]
    if own.empty:
        yield "No candidate direction was scored."
        return
    found, place = evidence.directions[subject.id, contrast], evidence.place(subject.id, contrast)
    row = None if place is None else own[(own["position"] == place[0]) & (own["layer"] == place[1])].iloc[0]
    if row is not None and found["outcome"] == "picked":
        yield (
            f"Yes: of {len(own)} candidate directions, read {under}, the one at position {row['position']}, layer "
            f"{row['layer']} passes the published rule and works best. {scored(row)}"
        )
        return
    told = ", ".join(f"{count} ({reason})" for reason, count in dropped(own).items())
    yield f"No: none of {len(own)} candidate directions, read {under}, passes the published rule. What they failed on: {told}."
    if row is not None:
        wanted = config.selection
        yield (
            f"The one that takes most refusals away is at position {row['position']}, layer {row['layer']}. {scored(row)} The "
            f"rule asks for at least {wanted.min_induce:g} and at most {wanted.max_kl:g}. What it does to answers is measured "
            "all the same, as the nearest direction (ours)."
        )


def scored(row: pd.Series) -> str:
    """What a candidate does, in words."""
    return (
        f"Taken out, it brings the log-odds of a refusal of harmful prompts to {row['bypass']:.2f}; added, those of harmless "
        f"prompts to {row['induce']:.2f}; and taking it out changes predictions on harmless prompts by {row['kl']:.3f} nats."
    )


def following(config: Config, subject: Subject, evidence: Evidence) -> tuple[str, str]:
    """What to do next, and the command."""
    tokens = evidence.searches[subject.id].tokens
    again = f"{QUICKSTART} --name {subject.id} --model ... --pairs ... --overwrite"
    if not tokens["tokens"] and tokens["refusals"] >= config.selection.min_refusals:
        return (
            "It refuses, but with words that its compliances begin with too: measure refusal by the first tokens that the paper "
            "names (published), or by those of common refusals (phrases), in the study's configuration.",
            "selection: {refusal_tokens: published}",
        )
    if not tokens["tokens"] and "system" not in subject.contrasts:
        return (
            "A model that hardly refuses can be given a direction from elsewhere: read under a safety system prompt that makes "
            "it refuse, as ROSI does for uncensored models, with the first tokens of common refusals.",
            f"{again} --system-prompt",
        )
    if config.extraction.controls.total < least_controls(config.statistics.control_level):
        return (
            "To rank the direction and the edits among random directions, and to have more prompts on each side, ask for more.",
            f"{again} --effort standard",
        )
    if not helping(config, subject, evidence):
        return (
            "No edit raised the refusal of harmful requests beyond its interval, so none is worth taking out of results. A wider "
            "search may find one: more layers and strengths (rosi.layers, rosi.strengths), more prompts on each side.",
            f"{again} --effort paper",
        )
    return (
        "An edit that helps can leave as a checkpoint, if the gate lets it pass: name a folder for it in export.to.",
        "python3 envs/bootstrap.py snakemake export --configfile ...",
    )
