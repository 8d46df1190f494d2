"""What PASTA asks of a model, counted from its recipe with stand-ins for what its searches will find."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.benchmarks import MMLU_SUBJECTS, item_tokens
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.recipes.pasta.edits import CONTRASTS, ablation
from anatomy.recipes.pasta.pairs import pairs, roles
from anatomy.recipes.pasta.variants import asked
from anatomy.sources.registry.entry import Entry
from anatomy.stages.generation_request import at_all_positions


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
    """Count PASTA's passes of a model: ``pasta.fit``, ``pasta.select``, ``pasta.test``; {} where no pair has it.

    Searches inside a domain are left out: how many domains there are is known from the prefixes alone. The signature and the
    detectors read what the passes wrote: ``signature`` once a role, ``detect.<pass>`` once a scorer.
    """
    mine = roles(config, subject.id)
    if not mine:
        return {}
    pasta = config.pasta
    stand_in = {"layers": num_layers, "domains": {}}
    tested = {
        "layer": 1,
        "layers": dict.fromkeys(pasta.detectors, 1),
        "operating": ablation(pasta, 1),
        "depth": num_layers,
        "contrasts": list(CONTRASTS),
        "domains": {},
        "domain_order": [],
    }
    found = {}
    prefixes = {"fit": pasta.fit_prefixes, "select": pasta.select_prefixes, "test": pasta.test_prefixes}
    for phase, count in prefixes.items():
        wanted = asked(config, subject, phase, tested if phase == "test" else stand_in)
        sizes = [
            count if name == pasta.prefixes else prompts.of(name, phase, pasta.requests_of(phase))
            for one in wanted
            for name in one.variant.sets
        ]
        texts = count * len(wanted)
        requests = sum(sizes) - texts
        written = texts * pasta.decoding.max_new_tokens + requests * config.evaluation.max_new_tokens
        read = round((texts + requests) * prompts.tokens)
        found[f"pasta.{phase}"] = StageWork(
            f"pasta.{phase}",
            f"{len(wanted)} variants write {texts} texts, {requests} answers",
            read,
            written,
            texts + requests,
            backend=hooked,
            batches=sum(-(-size // config.serving.batch_size) for size in sizes),
        )
        found[f"detect.{phase}"] = StageWork(
            f"detect.{phase}",
            f"two scorers read {texts} texts",
            2 * round(texts * (prompts.tokens + pasta.decoding.max_new_tokens)),
            0,
        )
    scored = [one for one in at_all_positions(wanted) if one.variant.benchmarked]
    if "aligned" in mine and (tasks := tasks_of(config, subject)):
        count = len(scored) * pasta.benchmark_items
        items, read = (
            count * number
            for number in (
                sum(tasks.values()),
                sum(many * item_tokens(task, config.benchmarks.shots) for task, many in tasks.items()),
            )
        )
        found["hooked_benchmarks"] = StageWork(
            "hooked_benchmarks", f"{len(scored)} variants take {items} benchmark items", read, 0, 0, items, items
        )
    read_along = [one for one in at_all_positions(wanted) if one.edits]
    if "aligned" in mine:
        moved, forced = prompts.of(config.evaluation.benign, "test", config.divergence.prompts), config.divergence.tokens
        runs = (1 + len(read_along)) * moved
        found["pasta.divergence"] = StageWork(
            "pasta.divergence",
            f"{len(read_along)} variants forced along {moved} answers",
            round(runs * (prompts.tokens + forced)),
            moved * forced,
            moved,
            predictions=runs * forced,
            passes=2 * (1 + len(read_along)),
        )
    reading = round(pasta.fit_prefixes * (prompts.tokens + pasta.decoding.max_new_tokens))
    if "aligned" in mine:
        count = sum(len(pair.roles) for pair in pairs(config) if pair.aligned == subject.id)
        found["signature"] = StageWork("signature", f"{count} models read their own and human texts", 2 * count * reading, 0)
    return found


def tasks_of(config: Config, subject: Subject) -> dict[str, int]:
    """Benchmark tasks that a model takes, and how many limits each has."""
    wanted = config.benchmarks
    if subject.is_organism:
        return dict.fromkeys(wanted.organism_tasks, 1)
    names = [] if wanted.data is None else [name for name in wanted.tasks if name not in wanted.left_out]
    return {name: MMLU_SUBJECTS if name == "mmlu" else 1 for name in names}
