"""Which models are pruned, and what the engine answers for them: as they are, and with the chosen mask."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.interventions.variant import Variant

FAMILY = "pruned"


def is_pruned(config: Config, subject: Subject) -> bool:
    """Whether a model is one of those that are pruned."""
    return (subject.member or subject.id) in config.pruning.models


def pruned(config: Config) -> list[Subject]:
    """Every model of a run that is pruned."""
    return [subject for subject in subjects(config) if is_pruned(config, subject)]


def finetuned(config: Config) -> list[Subject]:
    """Members of the organism that are pruned and then fine-tuned."""
    return [one for one in pruned(config) if one.is_organism and one.member in config.pruning.finetuning.models]


def prompt_sets(config: Config) -> list[str]:
    """Prompt sets that models of one's own are asked."""
    wanted = config.pruning
    return sorted({*wanted.sets.values(), *(name for names in wanted.further.values() for name in names)})


def read_sets(config: Config) -> list[str]:
    """Prompt sets that models of one's own are asked, and that of texts which they read."""
    return sorted({*prompt_sets(config), *filter(None, [config.pruning.text])})


def on_test(config: Config, subject: Subject) -> list[Variant]:
    """The model as it is and with the chosen mask, with all test sets and benchmarks."""
    if not is_pruned(config, subject):
        return []
    evaluation = config.evaluation
    sets = tuple(name for name in evaluation.test_sets if subject.is_organism or name not in evaluation.left_out)
    mask = Variant(FAMILY, "method", ({"made": "pruning.mask"},), sets, benchmarked=True, family=FAMILY, form="mask")
    return [Variant("base", "base", (), sets, benchmarked=True), mask]


def found(config: Config, subject: Subject, phase: str) -> list[str]:
    """Its mask, once it is made."""
    return [Layout(config.results).stage("edit", subject.id, "pruning.mask.json")] if is_pruned(config, subject) else []
