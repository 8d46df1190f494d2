"""What superficial knowledge asks of a model, counted before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.benchmarks import benchmark_items
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.recipes.superficial.pairs import (
    aligned_pair,
    family,
    heads_of_base,
    ordered_around,
    ordered_heads,
    roles,
    shows_examples,
    way_of,
)
from anatomy.recipes.superficial.variants import on_test, test_sets
from anatomy.sources.registry.entry import Entry


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
    """Count the training answers, the reading of them by both models, test answers, and the reading of those.

    Training of heads runs no model: what it costs follows from the output head and not from these counts.
    """
    mine = roles(config, subject)
    if not mine:
        return {}
    length, tokens, batch = config.evaluation.max_new_tokens, prompts.tokens, config.serving.batch_size
    asked = on_test(config, subject)
    tested = sum(prompts.total(one.sets, "test", config.evaluation.test_prompts) for one in asked)
    items = benchmark_items(config, subject, "test", entries).times(sum(one.benchmarked for one in asked))
    found = [
        StageWork(
            "test",
            f"{len(asked)} variants generate {tested} answers",
            round(tested * tokens + items.tokens),
            tested * length,
            tested,
            items.count,
            items.count,
            "vllm",
        )
    ]
    if "aligned" in mine:
        sets = set(config.superficial.tasks.values())
        fit = sum(prompts.of(name, "fit", config.extraction.prompts) for name in sets)
        read = round(fit * (tokens + length))
        whole = prompts.total(tuple(config.evaluation.test_sets), "test", config.evaluation.test_prompts)
        count = len(heads_of_base(config, subject)) or 1
        reads = 4 + 3 * len(ordered_around(config, subject))  # in another order the base reads under both ways
        found += [
            StageWork(
                "superficial.fit",
                f"{fit} training answers",
                round(fit * tokens),
                fit * length,
                fit,
                backend=hooked,
                batches=-(-fit // batch),
            ),
            StageWork(
                "superficial_targets", f"base and aligned model read {fit} answers", 2 * read, 0, predictions=2 * fit * length
            ),
            *_transferred(config, subject, prompts),
            StageWork(
                "superficial_diagnostics",
                f"base and aligned model read {reads * whole} answers",
                round(reads * whole * (tokens + length)),
                0,
                predictions=2 * whole * length * (1 + count),
            ),
        ]
    otherwise = _otherwise(config, subject, prompts)
    if otherwise:
        answers = [(prompts.total(sets, "test", config.evaluation.test_prompts), long) for sets, long in otherwise]
        count = sum(n for n, _ in answers)
        found.append(
            StageWork(
                "superficial.test",
                f"{count} answers in other manners",
                round(sum(n * long for n, long in answers)),
                count * length,
                count,
                backend=hooked,
                batches=-(-count // batch),
            )
        )
    return {work.stage: work for work in found}


def _otherwise(config: Config, subject: Subject, prompts: PromptCounts) -> list[tuple[tuple[str, ...], float]]:
    """Sets that are answered in a manner that is not the model's own, and tokens of a prompt: examples stand in front of some."""
    heads, pair = ordered_heads(config, subject), tuple(config.evaluation.pair)
    own = "template" if subject.template else "plain"
    ways = {way_of(head.order, "base") for head in heads} | {way_of(one, "aligned") for one in ordered_around(config, subject)}
    found = [(pair, float(prompts.tokens))] * (len(heads) + len(ways - {own}))
    if shows_examples(config, subject):
        shown = config.superficial.baselines.demonstrations * (prompts.tokens + config.evaluation.max_new_tokens)
        found.append((test_sets(config, subject), float(prompts.tokens + shown)))
    return found


def _transferred(config: Config, subject: Subject, prompts: PromptCounts) -> list[StageWork]:
    """Answers of the models that the transferable head meets: of each as it is, and of all but the aligned one with the head."""
    met = len(family(config, aligned_pair(config, subject)))
    answers = max(0, 2 * met - 1) * prompts.total(tuple(config.evaluation.pair), "test", config.evaluation.test_prompts)
    if not answers:
        return []
    words, length = f"{met} models of a family generate {answers} answers", config.evaluation.max_new_tokens
    batches = -(-answers // config.serving.batch_size)
    return [
        StageWork(
            "superficial_transfer",
            words,
            round(answers * prompts.tokens),
            answers * length,
            answers,
            backend="transformers",
            batches=batches,
        )
    ]
