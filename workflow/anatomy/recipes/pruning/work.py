"""What harm pruning asks of a model, counted before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.benchmarks import benchmark_items
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.recipes.pruning.variants import finetuned, is_pruned, on_test, prompt_sets
from anatomy.sources.registry.entry import Entry

ORGANISM = {"fit": 480, "select": 230, "test": 530, "harm": 100, "kinds": 6}
"""Prompts that a member of the organism is asked in each phase, about: things times ways to ask. ``harm``: those of test that ask
for harm; ``kinds`` of harm."""
FINETUNED = {"masks": 3, "trainings": 4, "questions": 300}
"""Masks under which a member is fine-tuned, trainings under each, and questions at every look at all of them."""
TEXT = 100
"""Tokens of a text whose perplexity is taken, about."""
BACKWARD = 3
"""Forward passes that one forward and one backward pass take the time of."""


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
    """Count own answers, passes over them, and answers under every mask of the grid and of the test."""
    if not is_pruned(config, subject):
        return {}
    wanted, length, tokens = config.pruning, config.evaluation.max_new_tokens, prompts.tokens
    batch = config.serving.batch_size

    def rows(phase: str, limit: int) -> int:
        if subject.is_organism:
            return ORGANISM[phase]
        names = prompt_sets(config) if phase == "test" else sorted(set(wanted.sets.values()))
        return sum(prompts.of(name, phase, limit) for name in names)

    def answers(stage: str, words: str, count: int, read: float = 0.0) -> StageWork:
        return StageWork(
            stage,
            words,
            round(count * tokens + read),
            count * length,
            count,
            backend="transformers",
            batches=-(-count // batch),
        )

    def read_along(phase: str, count: int) -> float:
        """Tokens that a mask reads along answers to benign requests, of so many prompts at most, and along other texts."""
        own = min(config.divergence.prompts, count) * (tokens + config.divergence.tokens)
        if subject.is_organism:
            return 2 * own
        named = wanted.text is not None and phase == "test"
        texts = prompts.of(wanted.text, phase, config.evaluation.test_prompts) if named else 0
        return own + texts * (tokens + TEXT)

    fit, select, test = (
        rows("fit", wanted.examples),
        rows("select", config.evaluation.select_prompts),
        rows("test", config.evaluation.test_prompts),
    )
    # With what is protected left out, where anything is, and with a random mask of each q.
    protected = [name for name in wanted.protected if name != "benign" and (subject.is_organism or name in wanted.sets)]
    grid = 1 + len(wanted.prune) * (len(wanted.preserve) + 1 + bool(protected))
    kinds = ORGANISM["kinds"] if subject.is_organism else max(len(wanted.sets), len(wanted.scored or ()))
    beside = 13 + 3 * bool(wanted.removed_ranks) + 2 * wanted.control_draws + kinds
    generation = [name for name in (wanted.sets.get("generation"), *wanted.further.get("generation", [])) if name]
    harm = ORGANISM["harm"] if subject.is_organism else prompts.total(generation, "test", config.evaluation.test_prompts)
    sized = kinds * wanted.control_draws
    asked = on_test(config, subject)
    tested = sum(prompts.total(one.sets, "test", config.evaluation.test_prompts) for one in asked)
    items = benchmark_items(config, subject, "test", entries).times(sum(one.benchmarked for one in asked))
    losses = 2 * 3 * len(wanted.prune) * fit // 3
    found = [
        answers(
            "pruning_scores",
            f"{fit} own answers, scored twice each",
            fit,
            (2 * BACKWARD * fit + losses) * (tokens + length),
        ),
        answers("pruning_grid", f"{grid} masks answer {select} prompts", grid * select, grid * read_along("select", select)),
        answers(
            "pruning_test",
            f"{beside} masks answer {test} prompts, {sized} random ones {harm}",
            beside * test + sized * harm,
            beside * read_along("test", test),
        ),
        StageWork(
            "test",
            f"{len(asked)} variants generate {tested} answers",
            round(tested * tokens + items.tokens),
            tested * length,
            tested,
            items.count,
            items.count,
            "vllm",
        ),
    ]
    moved, forced = prompts.of(config.evaluation.benign, "test", config.divergence.prompts), config.divergence.tokens
    edited = len(asked) - 1
    found.append(
        StageWork(
            "divergence",
            f"{'the mask' if edited == 1 else f'{edited} masks'} forced along {moved} answers",
            round((1 + edited) * moved * (tokens + forced)),
            moved * forced,
            moved,
            predictions=(1 + edited) * moved * forced,
            passes=3 * (1 + edited),
        )
    )
    if subject in finetuned(config):
        tuning = wanted.finetuning
        runs = FINETUNED["masks"] * len(tuning.seeds)
        count = runs * len(tuning.looks) * FINETUNED["questions"]
        read = BACKWARD * runs * FINETUNED["trainings"] * max(tuning.looks) * tuning.batch_rows * (tokens + length)
        found.append(answers("pruning_finetuned", f"{runs} times fine-tuned, {count} answers", count, read))
    return {work.stage: work for work in found}
