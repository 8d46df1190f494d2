"""The whole configuration."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, field_validator, model_validator

from anatomy.config.data import Data
from anatomy.config.export import Export
from anatomy.config.judging import ModelJudge, check_names
from anatomy.config.methods import Benchmarks, Evaluation, Extraction, Report, Rosi, Selection, Serving, Statistics
from anatomy.config.pasta import Pasta
from anatomy.config.places import paths_in
from anatomy.config.resources import Resources
from anatomy.config.section import Identifier, Section
from anatomy.config.subjects import MEMBER_KINDS, UNPINNED, Model, Organism, PromptSet, member_kind

Judge = Literal["rules", "classifier", "truth", "coherence"]


class Config(Section):
    """Everything a run is made of. The file of defaults, config/config.yaml, is generated from this model."""

    recipes: list[Literal["rosi", "pasta"]] = Field(
        ["rosi"], min_length=1, description="papers that the default target makes; `snakemake pasta` needs no entry here"
    )
    results: str = Field("results", description="folder for everything that the workflow makes")
    seeds: list[int] = Field([0], min_length=1, description="seeds of the organism; each grows a family of its own")
    organism: Organism = Field(Organism(), description="the built-in family of tiny models")
    models: dict[Identifier, Model] = Field({}, description="your own models: {my-model: {folder: path, kind: aligned}}")
    prompt_sets: dict[Identifier, PromptSet] = Field({}, description="your own prompt sets, by the names used below")
    data: Data = Field(Data(), description="published data sets and hub models; `snakemake prefetch` fetches them")
    extraction: Extraction = Field(Extraction(), description="extraction of directions from prompts, with control directions")
    selection: Selection = Field(Selection(), description="how the refusal direction is selected among the extracted ones")
    rosi: Rosi = Field(Rosi(), description="rank-one safety injection and its variants")
    pasta: Pasta = Field(Pasta(), description="the signature of post-training: measured, localised, ablated")
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
        "split of your own models, beside the judges above. Kinds: llama_guard, wildguard, harmbench, rubric",
    )
    benchmarks: Benchmarks = Field(Benchmarks(), description="lm-eval tasks that measure utility")
    statistics: Statistics = Field(Statistics(), description="intervals, and the thresholds with which verdicts are decided")
    serving: Serving = Field(Serving(), description="how models are run")
    resources: Resources = Field(Resources(), description="what jobs ask a scheduler for; changes no result and reruns nothing")
    report: Report = Field(Report(), description="the report")
    export: Export = Field(Export(), description="edited models as checkpoints for other tools, if the gate lets them pass")

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
        for kind in {*kinds.values(), *(member_kind(member) for member in self.organism.members)}:
            if not self.extraction.contrasts.get(kind):
                raise ValueError(f"extraction.contrasts has no entry for kind {kind!r}, which is among the models")
        for form in self.rosi.forms:
            if not self.rosi.strengths.get(form):
                raise ValueError(f"rosi.strengths has no entry for form {form!r}, which rosi.forms lists")
        if not all(value > 0 for values in self.rosi.strengths.values() for value in values):
            raise ValueError(f"rosi.strengths {self.rosi.strengths}; expected numbers above 0 (signs are searched by themselves)")
        for section, entries in (("models", self.models), ("model_judges", self.model_judges)):
            for name, entry in entries.items():
                if entry.revision == UNPINNED and not self.data.allow_unpinned:
                    raise ValueError(
                        f"{section}.{name}.revision is {UNPINNED!r}; expected a commit of 40 digits, or data.allow_unpinned: true"
                    )
        self._sets_fit()
        self._pairs_fit()
        check_names(self.model_judges)
        self.export.check_outside(self.results)
        if self.models:
            self._models_have_what_they_need()
        known = {*self.organism.members, *self.models}
        if unknown := sorted(set(self.resources.models) - known - set(self.model_judges)):
            raise ValueError(f"resources.models names {unknown[0]!r}; expected one of {sorted(known | set(self.model_judges))}")
        for section, names in (("selection", self.selection.headline), ("rosi", self.rosi.headline)):
            if unknown := sorted(set(names) - known):
                raise ValueError(f"{section}.headline names {unknown[0]!r}; expected one of {sorted(known)}")
        return self

    def _sets_fit(self) -> None:
        named = self.evaluation.test_sets
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"evaluation names the set {twice[0]!r} twice among harmful, benign, lookalikes and jailbreaks")
        if self.judges[0] not in ("rules", "classifier", "truth") or (self.models and self.judges[0] != "rules"):
            raise ValueError(
                f"judges starts with {self.judges[0]!r}; expected a judge of refusal that can judge every model "
                "(rules wherever models of your own are studied)"
            )

    def _pairs_fit(self) -> None:
        if self.pasta.scorers_seed in self.seeds:
            raise ValueError(
                f"pasta.scorers_seed is {self.pasta.scorers_seed}, one of seeds {self.seeds}; expected another: a "
                "family scored by itself would say nothing of transfer"
            )
        for name in [*self.pasta.pairs, *self.pasta.pairs.values()]:
            if name not in self.models and name.split("-")[0] not in MEMBER_KINDS:
                raise ValueError(f"pasta.pairs names {name!r}; expected an organism member, or one of {sorted(self.models)}")
        if both := sorted(set(self.pasta.pairs) & set(self.pasta.pairs.values())):
            raise ValueError(f"pasta.pairs has {both[0]!r} on both sides; expected a model to be aligned or a base, not both")
        own = [name for name in self.pasta.pairs if name in self.models]
        if own and self.pasta.prefixes not in self.prompt_sets:
            raise ValueError(f"prompt_sets lacks {self.pasta.prefixes!r}, whose human prefixes the pair of {own[0]!r} continues")
        judge = self.pasta.pairwise.judge if self.pasta.pairwise else None
        if judge is not None and judge in {*own, *(self.pasta.pairs[name] for name in own)}:
            raise ValueError(
                f"pasta.pairwise.judge is {judge!r}, a model of pasta.pairs; expected another, since it would judge its own texts"
            )
        if own and not self.pasta.own_detectors:
            raise ValueError(f"pasta.own_detectors is empty; expected detectors that score the pair of {own[0]!r}")

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
