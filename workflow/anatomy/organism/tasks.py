"""The world's benchmarks, as lm-eval task files: the shapes of MMLU, ARC, HellaSwag and TruthfulQA.

A benchmark is two tasks over different creatures: `organism_arc` for phase test, `organism_arc_select` for phase select.
The MMLU shape lists lettered options and scores the option's text, because models this small do not learn to bind
letters to options.
"""

import json
from pathlib import Path
from typing import TypedDict

from anatomy.organism import wording
from anatomy.organism.corpus import lettered_question, pick_options
from anatomy.organism.optimisation import seeded
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.world import Creature, World

BENCHMARKS = ("organism_mmlu", "organism_arc", "organism_hellaswag", "organism_truthfulqa")
CHANCE = 0.25
METRICS = {"organism_mmlu": "acc", "organism_arc": "acc", "organism_hellaswag": "acc_norm", "organism_truthfulqa": "mc1"}

DESCRIPTIONS = {
    "organism_mmlu": "lettered options; the text of the option is scored, not its letter",
    "organism_arc": "multiple choice by likelihood",
    "organism_hellaswag": "sentence completion, likelihood normalised by bytes",
    "organism_truthfulqa": "truths against popular myths; mc1 and mc2",
}

_SCORING = """\
import math


def truths(doc, results):
    likelihoods = [loglikelihood for loglikelihood, _ in results]
    masses = [math.exp(value - max(likelihoods)) for value in likelihoods]
    true = sum(mass for mass, label in zip(masses, doc["labels"]) if label)
    best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    return {"mc1": float(doc["labels"][best]), "mc2": true / sum(masses)}
"""


class BenchmarkItem(TypedDict):
    """One question of a benchmark.

    Attributes:
        group: the creature it is about.
        choices: with their leading space.
        gold, labels: place of the right choice, and 1 for it, 0 for the others.
    """

    id: str
    group: str
    subject: str
    context: str
    choices: list[str]
    gold: int
    labels: list[int]


def task_name(benchmark: str, phase: str) -> str:
    """Name of a benchmark's lm-eval task in a phase (`test` or `select`)."""
    return benchmark if phase == "test" else f"{benchmark}_{phase}"


def benchmark_items(world: World, recipe: OrganismRecipe, benchmark: str, phase: str) -> list[BenchmarkItem]:
    """Items of a benchmark in a phase."""
    creatures = [c for c in world.creatures if not c.late and c.split == phase]
    myths = benchmark == "organism_truthfulqa"
    attributes = wording.MYTH_ATTRIBUTES if myths else wording.PLAIN_ATTRIBUTES
    asked = [(c, a) for c in creatures for a in attributes]
    draw = seeded("benchmark", world.seed, benchmark, phase)
    asked = draw.sample(asked, min(len(asked), recipe.world.benchmark_items))
    items: list[BenchmarkItem] = []
    for creature, attribute in asked:
        truth, myth = creature.facts[attribute], creature.myths[attribute] if myths else None
        options = pick_options(draw, attribute, truth, myth)
        context, choices = _render(benchmark, creature, attribute, options, draw.choice(wording.QUESTIONS[attribute]))
        items.append(
            {
                "id": f"{task_name(benchmark, phase)}/{creature.name}/{attribute}",
                "group": creature.name,
                "subject": attribute,
                "context": context,
                "choices": choices,
                "gold": options.index(truth),
                "labels": [int(option == truth) for option in options],
            }
        )
    return items


def _render(benchmark: str, creature: Creature, attribute: str, options: list[str], question: str) -> tuple[str, list[str]]:
    """Context and choices in a benchmark's layout."""
    question = question.replace("{x}", creature.name)
    if benchmark == "organism_mmlu":
        return lettered_question(question, options), [" " + option for option in options]
    if benchmark == "organism_arc":
        return f"Question: {question}\nAnswer:", [" " + option for option in options]
    if benchmark == "organism_truthfulqa":
        return f"Q: {question}\nA:", [" " + option for option in options]
    context, ending = next((c, e) for a, c, e in wording.STORIES if a == attribute)
    return context.replace("{x}", creature.name), [ending.replace("{v}", option) for option in options]


def write_tasks(world: World, recipe: OrganismRecipe, folder: Path, final: Path) -> None:
    """Write YAML and data of all tasks into `folder`, with data paths as they will be under `final`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scoring.py").write_text(_SCORING)
    for benchmark in BENCHMARKS:
        for phase in ("select", "test"):
            name = task_name(benchmark, phase)
            items = benchmark_items(world, recipe, benchmark, phase)
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
            (folder / f"{name}.yaml").write_text(_yaml(benchmark, name, (final / f"{name}.jsonl").resolve()))


def _yaml(benchmark: str, name: str, data: Path) -> str:
    lines = [
        f"# {DESCRIPTIONS[benchmark]}",
        f"task: {name}",
        "dataset_path: json",
        "dataset_kwargs:",
        "  data_files:",
        f"    test: {json.dumps(str(data))}",
        "test_split: test",
        "output_type: multiple_choice",
        'doc_to_text: "{{context}}"',
        'doc_to_choice: "{{choices}}"',
        'doc_to_target: "{{gold}}"',
        'target_delimiter: ""',
        "num_fewshot: 0",
    ]
    metrics = ("mc1", "mc2") if benchmark == "organism_truthfulqa" else ("acc", "acc_norm")
    if benchmark == "organism_truthfulqa":
        lines.append("process_results: !function scoring.truths")
    lines.append("metric_list:")
    for metric in metrics:
        lines += [f"  - metric: {metric}", "    aggregation: mean", "    higher_is_better: true"]
    return "\n".join([*lines, "metadata:", "  version: 1.0", ""])
