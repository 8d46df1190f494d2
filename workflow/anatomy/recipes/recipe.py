"""What a paper is to the workflow: its options, what it asks of each stage, and what it makes of the rows.

Cheap to import: rules are parsed with it. What needs libraries stands in modules that are named here and that only jobs import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from anatomy.config.methods import Controls
from anatomy.config.schema import Config
from anatomy.config.section import Section
from anatomy.config.study import Subject
from anatomy.costs.job_kind import Backend, JobKind
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.interventions.variant import Variant
from anatomy.models.preflight.disk import RunCounts
from anatomy.recipes.effort import Choice, Effort
from anatomy.sources.registry.entry import Entry
from anatomy.stages.generation_request import GenerationRequest
from anatomy.store.json_objects import JsonObject

PHASES = ("fit", "select", "test")
NO_CONTROLS = Controls(isotropic=0, covariance=0, shuffled=0)
Variants = Callable[[Config, Subject], list[Variant]]


@runtime_checkable
class CountWork(Protocol):
    """Counts what a paper asks of one model, stage by stage."""

    def __call__(
        self,
        config: Config,
        subject: Subject,
        prompts: PromptCounts,
        *,
        num_layers: int,
        entries: Mapping[str, Entry],
        hooked: Backend = "transformers",
        outcome: Outcome = ...,
    ) -> dict[str, StageWork]: ...


@dataclass(frozen=True)
class Recipe:
    """A paper.

    Attributes:
        name: of its section, its targets, its rules and its folder.
        paper: how it is cited.
        section: its options; ``about`` documents the section.
        report: module that makes verdicts, figures, tables and sections (``anatomy.stages.paper_report``).
        summary: one paragraph at the head of its part of the page.
        folder: where its figures and tables lie in results; None: in a folder of its name; empty: in results itself.
        check: what no single section of the configuration can see; raises ValueError.
        studied: ids of the models that its part of the page is about; none where this run gives it nothing to study.
        asked: whether the configuration asks it of any model, even of one that lacks what it needs; None: as ``studied``.
        beside: models that it needs and nobody else studies.
        reads: phase to prompt sets that models of your own need for it.
        answered: prompt sets whose benign rows need responses, each with what to do where they have none, in words.
        optional: prompt sets without which a run can go on.
        set_checks: prompt sets that a module's ``check(table, where)`` looks at as soon as they are read, before any model is.
        lacking: what to do where a prompt set of its is not here, in words.
        controls: how many control directions it wants extracted of a model.
        engine: phase to the variants that the engine answers for: edits of weights.
        told: what ``engine`` reads beside its section and those that every paper's does: sections of the configuration as JSON.
        found: files, for a phase, with what its searches and makers of edits ended with: JSON, name to edits.
        in_memory: what is generated under hooks in a phase, from what a search before it found.
        target_modules: matrices that its adapters edit.
        inputs_at: sites of matrices whose mean inputs its edits are made from.
        tried_at: layers, of a model with so many blocks, at which its search for edits looks for a direction.
        exported: picks that can leave results as checkpoints, by name; their adapters stand in ``edit/<model>/adapters.json``.
        study: options of its section for a study of one model with a user's own pairs.
        effort: options of its section by the size of such a study, from the model's blocks (None where they are not known yet)
            and ``selection.layer_share``.
        ends: stage to files, below results and with ``{model}``, that the stage ends in for this paper: what its target asks for.
        speaking: module with ``speaking(config, subject, model, phase)``, which puts prompts for ``in_memory``.
        grown_first: members of the organism whose searches take longest.
        searched: what its finished searches have found in a model; None before they have run; a paper without searches has
            nothing to wait for.
        work: counts of its stages; ``room``: what its rows and edits take on the disk.
        jobs: the kinds of its own rules.
        evidence: name to files that its claims, figures and page are made from.
        plans: its figures; ``tables``: names of its tables, those in ``printed`` as LaTeX too.
        measured: patterns of Snakemake's measurements of its jobs, below results.
    """

    name: str
    paper: str
    section: type[Section]
    about: str
    report: str
    summary: str
    studied: Callable[[Config], list[str]]
    evidence: Callable[[Config], dict[str, list[str]]]
    folder: str | None = None
    check: Callable[[Any], None] = lambda config: None
    asked: Callable[[Config], bool] | None = None
    beside: Callable[[Config], list[Subject]] = lambda config: []
    reads: Callable[[Config], Mapping[str, set[str]]] = lambda config: {}
    answered: Callable[[Config], Mapping[str, str]] = lambda config: {}
    optional: Callable[[Config], set[str]] = lambda config: set()
    set_checks: Callable[[Config], Mapping[str, str]] = lambda config: {}
    lacking: Callable[[Config, set[str]], str] = lambda config, sets: ""
    controls: Callable[[Config, Subject], Controls] = lambda config, subject: NO_CONTROLS
    engine: Mapping[str, Variants] = field(default_factory=dict)
    told: Callable[[Config, Subject], JsonObject] = lambda config, subject: {}
    found: Callable[[Config, Subject, str], list[str]] = lambda config, subject, phase: []
    in_memory: Callable[[Config, Subject, str, JsonObject], list[GenerationRequest]] | None = None
    target_modules: Callable[[Config], Sequence[str]] = lambda config: ()
    inputs_at: Callable[[Config], Sequence[str]] = lambda config: ()
    tried_at: Callable[[Config, int], Sequence[int]] = lambda config, num_layers: ()
    exported: Callable[[Config, Subject], Sequence[str]] = lambda config, subject: ()
    study: Callable[[str], JsonObject] = lambda model: {}
    effort: Callable[[Effort, int | None, float], tuple[Choice, ...]] = lambda effort, num_layers, layer_share: ()
    ends: Mapping[str, Sequence[str]] = field(default_factory=dict)
    speaking: str = "anatomy.stages.speaking"
    grown_first: Callable[[Config], Sequence[str]] = lambda config: ()
    searched: Callable[[Config, Subject], Outcome | None] = lambda config, subject: FOUND
    work: CountWork = lambda config, subject, prompts, **given: {}
    room: Callable[[Config, Subject, Mapping[str, StageWork], PromptCounts], list[RunCounts]] = lambda *_: []
    jobs: Mapping[str, JobKind] = field(default_factory=dict)
    plans: Callable[[Config], list[FigurePlan]] = lambda config: []
    tables: Sequence[str] = ()
    printed: Sequence[str] = ()
    measured: Sequence[str] = ()

    @property
    def asking(self) -> list[Callable[..., Any] | str]:
        """Its functions and modules that ask stages for rows: their code decides, beside a stage's own, whether a job runs."""
        return [*self.engine.values(), *filter(None, [self.in_memory]), self.speaking]

    @property
    def place(self) -> str:
        """Where its figures and tables lie in results."""
        return self.name if self.folder is None else self.folder
