"""Which model judges score harm, of whose answers, and which random masks have theirs judged beside the chosen one's.

A judge reads texts, and the answers under controls that the test asks in memory are not kept. So that a judge's number has a
control all the same, the test's random masks become edits of a model of one's own: controls like those of other papers, which
answer the harmful prompts, stay where they were made and are never exported.
"""

from __future__ import annotations

from anatomy.config.judging import JudgeKind, judge_names
from anatomy.config.options import options
from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.store.json_objects import JsonObject

OF_HARM: tuple[JudgeKind, ...] = ("strongreject", "harmbench")
"""Kinds of model judges whose score says how harmful an answer is, from 0 to 1."""


def judges_of_harm(config: Config) -> list[str]:
    """Names of model judges of harm in the table of judgements."""
    return [name for key, judge in config.model_judges.items() if judge.kind in OF_HARM for name in judge_names(key, judge.kind)]


def told_of_judges(config: Config, subject: Subject) -> JsonObject:
    """What a job has to be told so that it knows whose answers are judged: of other judges, and for the organism, nothing."""
    if subject.is_organism:
        return {}
    judges = options(config, "model_judges")["model_judges"]
    return {"model_judges": {name: judge for name, judge in judges.items() if judge["kind"] in OF_HARM}}


def judged_sets(config: Config) -> tuple[str, ...]:
    """Prompt sets of harmful requests on which judges' scores are compared."""
    wanted = config.evaluation
    return tuple(dict.fromkeys(name for name in (wanted.harmful, *wanted.jailbreaks) if name not in wanted.left_out))


def judged_draws(config: Config, subject: Subject) -> range:
    """Numbers of the random masks of a model whose answers are judged: none where no model judge of harm reads its answers."""
    judged = not subject.is_organism and judges_of_harm(config)
    return range(1, config.pruning.control_draws + 1) if judged else range(0)


def draw_name(draw: int) -> str:
    """Name of a random mask among a model's edits."""
    return f"pruning.random-{draw}"
