"""What every paper shares of a configuration; each adds a section of its own (``anatomy.recipes.configuration``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from anatomy.config.data import Data
from anatomy.config.export import Export
from anatomy.config.foreign import ForeignDirection
from anatomy.config.judging import ModelJudge, check_names
from anatomy.config.methods import Benchmarks, Divergence, Evaluation, Extraction, Report, Selection, Serving, Statistics
from anatomy.config.places import paths_in
from anatomy.config.resources import Resources
from anatomy.config.section import Identifier, Section
from anatomy.config.subjects import UNPINNED, Model, Organism, PromptSet, member_kind
from anatomy.config.tuning import check_tuned

Judge = Literal["rules", "classifier", "truth", "coherence"]


class Config(Section):
    """Everything a run is made of, besides the sections of papers."""

    recipes: list[str] = Field(
        ["rosi"],
        min_length=1,
        description="papers that the default target makes: names of papers in workflow/anatomy/recipes, or folders of your own "
        "with recipe.py and rules.smk, such as ./mine/paper. `snakemake <paper>` adds one for that command: to the page of the "
        "run if it asks the engine for answers, else on a page of its own",
    )
    results: str = Field("results", description="folder for everything that the workflow makes")
    seeds: list[int] = Field([0], min_length=1, description="seeds of the organism; each grows a family of its own")
    organism: Organism = Field(Organism(), description="the built-in family of tiny models")
    models: dict[Identifier, Model] = Field({}, description="your own models: {my-model: {folder: path, kind: aligned}}")
    prompt_sets: dict[Identifier, PromptSet] = Field({}, description="your own prompt sets, by the names used below")
    data: Data = Field(
        Data(), description="published data sets, hub models and packaged files; `snakemake prefetch` fetches them"
    )
    extraction: Extraction = Field(Extraction(), description="extraction of directions from prompts, with control directions")
    directions: dict[Identifier, ForeignDirection] = Field(
        {},
        description="directions that another tool made, by names of yours: {theirs: {file: vector.gguf, models: [mine], made_by: "
        "repeng}}. They go through the search for edits as the model's own direction does, beside the same controls",
    )
    selection: Selection = Field(Selection(), description="how the refusal direction is selected among the extracted ones")
    evaluation: Evaluation = Field(Evaluation(), description="what is generated, and how")
    judges: list[Judge] = Field(
        ["rules", "classifier", "truth", "coherence"],
        min_length=1,
        description="judges of answers; the first one decides which edit is picked. truth knows the organism's truth and "
        "judges its models only",
    )
    model_judges: dict[Identifier, ModelJudge] = Field(
        {},
        description="judges that are language models: {guard: {kind: llama_guard, folder: path}}. They judge the test "
        "split of your own models, beside the judges above. Kinds: llama_guard, wildguard, harmbench, strongreject, rubric",
    )
    divergence: Divergence = Field(
        Divergence(), description="KL divergence of each edited model from the unedited one, on harmless prompts"
    )
    benchmarks: Benchmarks = Field(Benchmarks(), description="lm-eval tasks that measure utility")
    statistics: Statistics = Field(Statistics(), description="intervals, and the thresholds with which verdicts are decided")
    serving: Serving = Field(Serving(), description="how models are run")
    resources: Resources = Field(Resources(), description="what jobs ask a scheduler for; changes no result and reruns nothing")
    report: Report = Field(Report(), description="the report")
    export: Export = Field(Export(), description="edited models as checkpoints for other tools, if the gate lets them pass")

    if TYPE_CHECKING:  # sections of papers, which their recipes bring

        def __getattr__(self, name: str) -> Any: ...

    @field_validator("results")
    @classmethod
    def plain_results(cls, results: str) -> str:
        """One spelling for each folder, and none that Snakemake reads as a pattern."""
        if not results or set(results) & set("\n\r"):
            raise ValueError(f"{results!r} is empty, or has several lines; choose another folder")
        return os.path.normpath(results)

    @model_validator(mode="after")
    def possible(self) -> Config:
        """Combinations that no single section can see."""
        if not self.organism.members and not self.models:
            raise ValueError("no organism members and no models: there is nothing to study")
        if odd := [f"{name} is {path!r}" for name, path in paths_in(self.model_dump()) if set(path) & set("{}")]:
            raise ValueError(
                f"{odd[0]}; expected a path without braces, which Snakemake reads as wildcards: rename what lies "
                "there, or give a link to it"
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds {self.seeds} name a seed twice")
        kinds = {name: model.kind for name, model in self.models.items()}
        for name, model in self.models.items():
            if model.base is not None and kinds.get(model.base) != "base":
                raise ValueError(
                    f"models.{name}.base is {model.base!r}; expected the id of a model of kind base among {sorted(kinds)}"
                )
        check_tuned({name: one.tuned for name, one in self.models.items() if one.tuned}, self.models, self.prompt_sets)
        for kind in {*kinds.values(), *(member_kind(member) for member in self.organism.members)}:
            if not self.extraction.contrasts.get(kind):
                raise ValueError(f"extraction.contrasts has no entry for kind {kind!r}, which is among the models")
        for section, entries in (("models", self.models), ("model_judges", self.model_judges)):
            for name, entry in entries.items():
                if entry.revision == UNPINNED and not self.data.allow_unpinned:
                    raise ValueError(
                        f"{section}.{name}.revision is {UNPINNED!r}; expected a commit of 40 digits, or data.allow_unpinned: true"
                    )
        for name, model in self.models.items():
            if model.sha256 == UNPINNED and not self.data.allow_unpinned:
                raise ValueError(f"models.{name}.sha256 is {UNPINNED!r}; expected 64 digits, or data.allow_unpinned: true")
        self._directions_fit()
        self._sets_fit()
        check_names(self.model_judges)
        self.export.check_outside(self.results)
        if self.models:
            self._models_have_what_they_need()
        known = {*self.organism.members, *self.models}
        if unknown := sorted(set(self.resources.models) - known - set(self.model_judges)):
            raise ValueError(f"resources.models names {unknown[0]!r}; expected one of {sorted(known | set(self.model_judges))}")
        if unknown := sorted(set(self.selection.headline) - known):
            raise ValueError(f"selection.headline names {unknown[0]!r}; expected one of {sorted(known)}")
        return self

    def _directions_fit(self) -> None:
        known = {*self.organism.members, *self.models}
        for name, one in self.directions.items():
            if name in ("plain", "system") or name.startswith("signature"):
                raise ValueError(f"directions has {name!r}, a name of directions that are extracted here; choose another")
            if unknown := sorted(set(one.models) - known):
                raise ValueError(f"directions.{name}.models names {unknown[0]!r}; expected one of {sorted(known)}")

    def _sets_fit(self) -> None:
        named = self.evaluation.test_sets
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"evaluation names the set {twice[0]!r} twice among harmful, benign, lookalikes and jailbreaks")
        if self.judges[0] not in ("rules", "classifier", "truth") or (self.models and self.judges[0] != "rules"):
            raise ValueError(
                f"judges starts with {self.judges[0]!r}; expected a judge of refusal that can judge every model "
                "(rules wherever models of your own are studied)"
            )

        if self.judges[0] == "classifier" and self.organism.members and not self.organism.refuses:
            raise ValueError(
                "judges starts with 'classifier', and organism.members has the base alone, which never refuses; expected a "
                "member whose answers it can be trained on, or another first judge"
            )

    def _models_have_what_they_need(self) -> None:
        for name in sorted({self.extraction.harmful, self.extraction.harmless, *self.evaluation.test_sets}):
            if name not in self.prompt_sets:
                raise ValueError(f"prompt_sets lacks {name!r}, which models of your own need; found {sorted(self.prompt_sets)}")
        if (
            "system" in {contrast for model in self.models.values() for contrast in self.extraction.contrasts[model.kind]}
            and not self.extraction.safety_system_prompt
        ):
            raise ValueError("extraction.safety_system_prompt is null, but models of your own use the contrast 'system'")
        for name, model in self.models.items():
            asked = ["extraction.contrasts"] if "system" in self.extraction.contrasts[model.kind] else []
            asked += ["evaluation.system"] if self.evaluation.system is not None else []
            if asked and not model.template:
                raise ValueError(
                    f"models.{name}.template is false, and {asked[0]} asks for a system prompt; expected a chat "
                    "template, since plain text has no place for one"
                )
        if self.benchmarks.tasks and self.benchmarks.data is None:
            raise ValueError(
                "benchmarks.data is null, but models of your own are benchmarked on benchmarks.tasks; "
                "give the folder with local copies, or set benchmarks.tasks to []"
            )
