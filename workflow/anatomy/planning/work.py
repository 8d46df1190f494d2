"""What every stage asks of a model, counted from the configuration: the one counter behind checks, disk and plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.planning.benchmarks import ITEM_TOKENS, benchmark_items
from anatomy.planning.prompts import PromptCounts
from anatomy.preflight.disk import RunCounts
from anatomy.recipes.rosi.families import candidates, drawn_controls, families, layers
from anatomy.recipes.rosi.variants import variants_in_memory, variants_on_select, variants_on_test
from anatomy.recipes.variant import Variant
from anatomy.registry.entry import Entry
from anatomy.store.digest import digest


@dataclass(frozen=True)
class StageWork:
    """What a stage asks of a model, at most: searches that end early leave variants out.

    Attributes:
        work: what it does, in words and numbers.
        read: prompt tokens that pass through the model.
        written: tokens generated at most.
        answers: completions.
        items: lm-eval items, each for every variant that takes them.
    """

    stage: str
    work: str
    read: int
    written: int
    answers: int = 0
    items: int = 0


def rosi_work(config: Config, subject: Subject, prompts: PromptCounts, *, num_layers: int, positions: int,
              entries: Mapping[str, Entry]) -> dict[str, StageWork]:
    """Count the stages of a model: ``extract``, ``localize``, ``screen``, ``select``, ``test``, ``measure``.

    Token counts take the mean length of the rendered prompts. For each candidate direction the grid reads the harmful side
    ablated, the harmless one added, and the harmless one ablated for the divergence; controls of a model that ranks its
    direction search the same grid without the third.

    Args:
        prompts: how many there are, and how long.
        num_layers: blocks of the model.
        positions: template positions.
        entries: of the registry, for how many items a benchmark has.
    """
    sides = (config.extraction.harmful, config.extraction.harmless)
    fit = prompts.total(sides, "fit", config.extraction.prompts)
    validation = prompts.total(sides, "select", config.selection.prompts)
    tried = layers(config.rosi, num_layers, config.selection.layer_share)
    edits = {digest(edit) for family in families(config, subject) for edit in candidates(family, config.rosi, tried)}
    cells = positions * num_layers * len(subject.contrasts)
    searched = positions * num_layers * config.extraction.controls.total if subject.direction_headline else 0

    def work(stage: str, words: str, reads: int, answers: int, items: int = 0) -> StageWork:
        return StageWork(stage, words, round(reads * prompts.tokens + items * ITEM_TOKENS[subject.is_organism]),
                         answers * config.evaluation.max_new_tokens, answers, items)

    def phase(stage: str, variants: Sequence[Variant], split: str, limit: int) -> StageWork:
        answers = sum(prompts.total(variant.sets, split, limit) for variant in variants)
        items = benchmark_items(config, subject, split, entries) * sum(variant.benchmarked for variant in variants)
        words = f"{len(variants)} variants generate {answers} answers" + (f", {items} benchmark items" if items else "")
        return work(stage, words, answers, answers, items)

    in_memory = variants_in_memory(config, subject)
    measured = sum(prompts.total(variant.sets, "test", config.evaluation.test_prompts) for variant in in_memory)
    contrasts = len(subject.contrasts)
    return {found.stage: found for found in (
        work("extract", f"{fit} prompts, {contrasts} contrast(s), two passes", 2 * fit * contrasts, 0),
        work("localize", f"own answers to {fit + validation} prompts; {cells} candidate directions"
             + (f", {searched} of controls" if searched else ""), fit + validation + (3 * cells // 2 + searched) * validation,
             fit + validation),
        work("screen", f"{len(edits)} candidate edits by one pass over {validation} prompts", len(edits) * validation, 0),
        phase("select", variants_on_select(config, subject), "select", config.evaluation.select_prompts),
        phase("test", variants_on_test(config, subject), "test", config.evaluation.test_prompts),
        work("measure", f"{len(in_memory)} interventions in memory generate {measured} answers", measured, measured),
    )}


def run_counts(config: Config, subject: Subject, work: Mapping[str, StageWork], prompts: PromptCounts,
               positions: int) -> RunCounts:
    """The same counts as ``estimate_disk`` wants them."""
    evaluated = [work[stage] for stage in ("select", "test", "measure")]
    return RunCounts(
        contrasts=len(subject.contrasts), positions=positions, controls=drawn_controls(config, subject).total,
        adapters=max(len(variants_on_select(config, subject)), len(variants_on_test(config, subject))),
        kept_adapters=len([family for family in families(config, subject) if not family.control]),
        answers=sum(stage.answers for stage in evaluated), prompt_tokens=round(prompts.tokens),
        max_new_tokens=config.evaluation.max_new_tokens, benchmark_rows=sum(stage.items for stage in evaluated),
    )
