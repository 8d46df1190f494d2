"""Which models are pruned, and what the engine answers for them: as they are, and with the chosen mask."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.interventions.variant import Variant
from anatomy.recipes.pruning.judged_draws import draw_name, judged_draws, judged_sets

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
    """The model as it is and with the chosen mask, with all test sets and benchmarks; random masks where a judge reads."""
    if not is_pruned(config, subject):
        return []
    evaluation = config.evaluation
    sets = tuple(name for name in evaluation.test_sets if subject.is_organism or name not in evaluation.left_out)
    mask = Variant(FAMILY, "method", ({"made": "pruning.mask"},), sets, benchmarked=True, family=FAMILY, form="mask")
    return [Variant("base", "base", (), sets, benchmarked=True), mask, *_random_masks(config, subject)]


def _random_masks(config: Config, subject: Subject) -> list[Variant]:
    """Random masks of the chosen one's size, which answer harmful requests for a model judge."""
    return [
        Variant(
            f"random-{draw}",
            "control",
            ({"made": draw_name(draw)},),
            judged_sets(config),
            family=FAMILY,
            form="mask",
            control="random",
            control_seed=draw,
        )
        for draw in judged_draws(config, subject)
    ]


def found(config: Config, subject: Subject, phase: str) -> list[str]:
    """Its mask, and random ones that are judged beside it, once they are made."""
    if not is_pruned(config, subject):
        return []
    names = ["pruning.mask", *map(draw_name, judged_draws(config, subject))]
    return [Layout(config.results).stage("edit", subject.id, f"{name}.json") for name in names]
