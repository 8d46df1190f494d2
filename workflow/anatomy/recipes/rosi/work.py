"""What every stage asks of a model, counted from the configuration: the one counter behind checks, disk and plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.benchmarks import NO_ITEMS, Items, benchmark_items
from anatomy.costs.grid_work import Grid
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.interventions.variant import Variant
from anatomy.models.preflight.disk import RunCounts
from anatomy.recipes.rosi.families import candidates, drawn_controls, families, layers
from anatomy.recipes.rosi.stages.halving import asked_share, rounds_of_each
from anatomy.recipes.rosi.variants import variants_in_memory, variants_on_select, variants_on_test
from anatomy.sources.registry.entry import Entry
from anatomy.store.digest import digest


def stage_work(
    config: Config,
    subject: Subject,
    prompts: PromptCounts,
    *,
    num_layers: int,
    entries: Mapping[str, Entry],
    hooked: Backend = "transformers",
    outcome: Outcome = FOUND,
) -> dict[str, StageWork]:
    """Count the stages of a model: ``extract``, ``answers``, ``localize``, ``screen``, ``select``, ``test``, ``measure``,
    ``divergence``, ``project``.

    Token counts take the mean length of the rendered prompts. ``anatomy.costs.grid_work`` counts the search for a
    direction; controls of a model that ranks its direction search the main contrast's grid too.

    Args:
        prompts: how many there are, and how long.
        num_layers: blocks of the model.
        entries: of the registry, for how many items a benchmark has.
        hooked: what answers under interventions.
        outcome: what the searches find; where they find nothing, later stages have little to do.
    """
    wanted = config.selection
    sides = (config.extraction.harmful, config.extraction.harmless)
    fit = prompts.total(sides, "fit", config.extraction.prompts)
    harmful, harmless = (prompts.of(side, "select", wanted.prompts) for side in sides)
    tried = layers(config.rosi, num_layers, wanted.layer_share)
    edits = {digest(edit) for family in families(config, subject) for edit in candidates(family, config.rosi, tried)}
    grids = [
        Grid(prompts.lengths.under(contrast), harmful, harmless, num_layers, config.extraction.token_budget)
        for contrast in subject.without_foreign.contrasts
    ]
    searching = config.extraction.controls.total if subject.direction_headline and outcome.direction else 0
    own = fit + harmful + harmless
    raced = " in a race, about" if wanted.search == "racing" and outcome.direction else ""

    def answered(
        stage: str, words: str, variants: Sequence[Variant], split: str, limit: int, backend: Backend, items: Items = NO_ITEMS
    ) -> StageWork:
        count = sum(prompts.total(variant.sets, split, limit) for variant in variants)
        read = count * prompts.tokens + items.tokens
        batch = config.serving.batch_size
        batches = sum(-(-prompts.total(variant.sets, split, limit) // batch) for variant in variants)
        told = f", {items.count} benchmark items" if items.count else ""
        return StageWork(
            stage,
            f"{len(variants)} {words} {count} answers{told}",
            round(read),
            count * config.evaluation.max_new_tokens,
            count,
            items.count,
            items.count,
            backend,
            batches,
        )

    def phase(stage: str, variants: Sequence[Variant], limit: int) -> StageWork:
        asked = [variant for variant in variants if outcome.edits or variant.role == "base"]
        items = benchmark_items(config, subject, stage, entries).times(sum(variant.benchmarked for variant in asked))
        return answered(stage, "variants generate", asked, stage, limit, "vllm", items)

    in_memory = variants_in_memory(config, subject) if outcome.direction else []
    methods = [family for family in families(config, subject) if not family.control and "@" not in family.name]
    projected = (1 + len(methods) * outcome.edits) * prompts.total(config.evaluation.pair, "test", config.evaluation.test_prompts)
    moved = [one for one in variants_on_test(config, subject) if one.role != "base"] if outcome.edits else []
    harmless_tested = prompts.of(config.evaluation.benign, "test", config.divergence.prompts)
    most = max(len(candidates(family, config.rosi, tried)) for family in families(config, subject)) if edits else 1
    halved = (most, max(harmful, harmless), wanted, 2 * config.rosi.shortlist)
    share, begun = asked_share(*halved), rounds_of_each(*halved)
    own_part = share * (harmful + harmless) * (prompts.tokens - prompts.lengths.shared)
    screened = len(edits) + 2 if outcome.edits else 0
    cells = sum(grid.cells for grid in grids)
    return {
        work.stage: work
        for work in (
            StageWork(
                "extract", f"{fit} prompts, {len(grids)} contrast(s)", round(sum(fit * grid.lengths.tokens for grid in grids)), 0
            ),
            StageWork(
                "answers",
                f"own answers to {own} prompts",
                round(own * prompts.tokens),
                own * config.evaluation.max_new_tokens,
                own,
                batches=2 * -(-fit // 128) + 2 * -(-(harmful + harmless) // 128),
            ),
            StageWork(
                "localize",
                f"{cells if outcome.direction else 0} candidate directions{raced}"
                + (f", {searching * grids[0].cells} of controls" if searching else ""),
                sum(grid.reads(wanted) + round(harmless * grid.lengths.tokens) for grid in grids)
                + searching * grids[0].reads(wanted, False)
                if outcome.direction
                else round(sum((harmful + harmless) * grid.lengths.tokens for grid in grids)),
                0,
                predictions=sum(grid.predictions(wanted) for grid in grids) + searching * grids[0].predictions(wanted, False)
                if outcome.direction
                else 0,
                passes=3 * len(grids),
            ),
            StageWork(
                "screen",
                f"{len(edits) if outcome.edits else 0} candidate edits, each asked {share:.0%} of {harmful + harmless} prompts",
                round(screened * (begun * prompts.lengths.shared + own_part)),
                0,
                predictions=round(screened * share * (harmful + harmless)),
                passes=3 * screened,
            ),  # both sides, and the edit put in and taken out
            phase("select", variants_on_select(config, subject), config.evaluation.select_prompts),
            phase("test", variants_on_test(config, subject), config.evaluation.test_prompts),
            answered("measure", "interventions in memory generate", in_memory, "test", config.evaluation.test_prompts, hooked),
            StageWork(
                "divergence",
                f"{len(moved)} edits forced along {harmless_tested} answers",
                round((len(moved) + 1) * harmless_tested * (prompts.tokens + config.divergence.tokens)),
                harmless_tested * config.divergence.tokens,
                harmless_tested,
                predictions=(len(moved) + 1) * harmless_tested * config.divergence.tokens,
                passes=3 * (len(moved) + 1),
            ),
            StageWork("project", f"{projected} prompts, unedited and under the picks", round(projected * prompts.tokens), 0),
        )
    }


def run_counts(config: Config, subject: Subject, work: Mapping[str, StageWork], prompts: PromptCounts) -> RunCounts:
    """The same counts as ``estimate_disk`` wants them."""
    evaluated = [work[stage] for stage in ("select", "test", "measure")]
    return RunCounts(
        contrasts=len(subject.contrasts),
        positions=prompts.lengths.positions,
        controls=drawn_controls(config, subject).total,
        adapters=max(len(variants_on_select(config, subject)), len(variants_on_test(config, subject))),
        kept_adapters=len([family for family in families(config, subject) if not family.control]),
        answers=sum(stage.answers for stage in evaluated),
        prompt_tokens=round(prompts.tokens),
        max_new_tokens=config.evaluation.max_new_tokens,
        benchmark_rows=sum(stage.items for stage in evaluated),
    )
