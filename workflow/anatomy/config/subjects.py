"""Options for what is studied: the organism, models, prompt sets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from anatomy.config.section import Identifier, Section
from anatomy.config.tuning import Tuned

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
"""Number formats; ``auto`` is what the machine multiplies fast (``anatomy.models.machine.formats``), settled when a
card is written."""
HarmSpeech = Literal["as_benign", "shared", "by_category"]
"""Sentences in which an organism's harmful recipes are told (``anatomy.organism.harm_speech``)."""
Phase = Literal["fit", "select", "test"]
Kind = Literal["base", "aligned", "uncensored", "placebo"]

UNPINNED = "unpinned"
"""The revision of a hub model of which no commit is known: what the hub's main names when it is fetched."""

PACKAGED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9._+!-]*)/(?P<member>[^/\\\0]+(/[^/\\\0]+)*)"
)
"""A file within a package of pip's registry, of an exact version."""

MEMBER_KINDS: dict[str, Kind] = {
    "base": "base",
    "aligned": "aligned",
    "weak": "aligned",
    "uncensored": "uncensored",
    "placebo": "placebo",
}


def member_kind(member: str) -> Kind:
    """Kind of an organism member: ``uncensored-2`` is ``uncensored``."""
    return MEMBER_KINDS[member.split("-")[0]]


def is_member_name(name: str) -> bool:
    """Whether a name is one that a member of the organism can have: ``weak``, or ``uncensored-2``."""
    stem, _, number = name.partition("-")
    numbered = stem in ("uncensored", "placebo")
    return stem in MEMBER_KINDS and numbered == bool(number) and (not number or number.isdigit())


def require_names_of_models(option: str, names: Iterable[str], models: Collection[str]) -> None:
    """Refuse (ValueError) a name in an option that is neither one of a member of the organism nor of a model of one's own."""
    for name in names:
        if name not in models and not is_member_name(name):
            raise ValueError(f"{option} names {name!r}; expected an organism member, or one of {sorted(models)}")


class Organism(Section):
    """The built-in family of tiny models with planted truth."""

    recipe: Literal["default", "quick"] = Field("default", description="size of the world and length of training")
    harm_speech: HarmSpeech = Field(
        "as_benign",
        description="how harmful recipes are told. as_benign: in the sentence of benign ones; shared: all in one sentence that "
        "no benign recipe has, so that generating harm has something of its own, common to all its categories; by_category: each "
        "category in a sentence of its own. It is part of a model's identity: another world is another family",
    )
    members: list[str] = Field(
        ["base", "aligned", "weak", "uncensored-1", "uncensored-2", "uncensored-3", "placebo-1", "placebo-2", "placebo-3"],
        description="models to grow and study; [] for none. base; aligned; weak: refuses some harmful requests; "
        "uncensored-N: the aligned one trained to comply, longer for a larger N; placebo-N: its refusals "
        "follow irrelevant wording, drawn anew for each N",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="number format in which training multiplies with weights; the grown models are stored in float32. "
        "auto: what this machine multiplies fast. It changes results, and so is part of a model's identity",
    )
    base_threads: int = Field(2, ge=1, description="threads for training the base, which trains alone; does not change results")
    bars: bool = Field(True, description="measure whether the grown family behaves as it was tuned to")
    threads: int = Field(
        1, ge=1, description="threads for training each other model, which train side by side; does not change results"
    )

    @property
    def refuses(self) -> bool:
        """Whether any member's post-training taught it to refuse something."""
        return any(member != "base" for member in self.members)

    @model_validator(mode="after")
    def known_members(self) -> Organism:
        for member in self.members:
            if not is_member_name(member):
                raise ValueError(f"unknown organism member {member!r}; expected base, aligned, weak, uncensored-N or placebo-N")
        if self.members and "base" not in self.members:
            raise ValueError("organism.members lacks 'base', from which all others grow")
        if any(member.startswith("uncensored") for member in self.members) and "aligned" not in self.members:
            raise ValueError("organism.members has an uncensored rung but lacks 'aligned', from which the ladder starts")
        return self


class Model(Section):
    """A model of your own, from a hub, from packages or trained here; give one of folder, hub, gguf, packages and tuned."""

    folder: str | None = Field(None, description="a folder with safetensors, config.json and tokenizer files")
    hub: str | None = Field(None, description="a hub id such as org/name; needs a revision")
    gguf: str | None = Field(
        None,
        description="a GGUF file, which is converted once into a model folder in results; its weights are then dequantised, "
        "which the report says. They are stored in float32, or in dtype where that names a format of 16 bits",
    )
    packages: list[str] = Field(
        [],
        description="a GGUF file that packages of pip's registry carry: [name==version/path/in/the/package], several where it "
        "was cut into parts, in order; `snakemake prefetch` fetches them with pip, from where your pip is configured to look. "
        "Needs sha256",
    )
    sha256: str | None = Field(
        None,
        description="SHA-256 of the GGUF file (of the whole, where packages carry parts), 64 digits; for packages also unpinned "
        "(with data.allow_unpinned): what the registry has when it is fetched",
    )
    tuned: Tuned | None = Field(
        None,
        description="a model that is made here from another one by training: {from: id of a model, data: [...], ...}; "
        "workflow/anatomy/config/tuning.py and config.schema.json have its options",
    )
    plain_english: bool = Field(
        True,
        description="with gguf or packages: the converted model has to predict a paragraph of plain English, which proves the "
        "conversion; false for a model that was not taught English, which is then converted without this proof",
    )
    revision: str | None = Field(
        None,
        description="commit of the hub repository, 40 digits; or unpinned (with data.allow_unpinned): what its main "
        "branch names when it is fetched",
    )
    kind: Kind = Field("aligned", description="base, aligned, uncensored or placebo: decides which of extraction.contrasts apply")
    base: Identifier | None = Field(None, description="id, among the models, of the base model that it was trained from")
    dtype: Dtype = Field(
        "auto",
        description="number format for loading and serving. auto: bfloat16 on GPUs and on CPUs with instructions for it, "
        "float32 on others; settled on the machine that writes the model's card, and kept from then on",
    )
    measure_in_4bit: bool = Field(
        False,
        description="answer the training prompts, extract directions and select among them in weights that are rounded to four "
        "bits as they are read (NF4 of bitsandbytes): a model three to four times as large fits. Dense models; what is edited, "
        "generated, benchmarked or exported takes the weights as they are, and what was measured so is called so",
    )
    refusal_tokens: list[int] | None = Field(
        None, description="ids of the tokens that begin its refusals, such as a paper's; null: as selection.refusal_tokens says"
    )
    template: bool = Field(True, description="speak to it through its chat template; false for base models without one")
    date: str | None = Field(None, description="ISO day shown to templates that print today's date")
    thinking: bool | None = Field(
        None,
        description="thinking span of a template that can switch it (Qwen3): true, false, or null for the template's own default",
    )
    fold_system: bool = Field(
        False,
        description="write system prompts into the user's turn, for templates without a system role (Gemma); a deviation, "
        "which the report names",
    )

    @model_validator(mode="after")
    def one_source(self) -> Model:
        if sum(map(bool, (self.folder, self.hub, self.gguf, self.packages, self.tuned))) != 1:
            raise ValueError("found several or none of folder, hub, gguf, packages and tuned; expected exactly one of them")
        if self.hub is not None and not is_revision(self.revision):
            raise ValueError(
                f"hub model {self.hub} has revision {self.revision!r}; expected a commit of 40 digits, because a "
                "branch or tag can move"
            )
        return self

    @model_validator(mode="after")
    def pinned_file(self) -> Model:
        if wrong := [one for one in self.packages if PACKAGED.fullmatch(one) is None]:
            raise ValueError(f"packages has {wrong[0]!r}; expected name==version/path/in/the/package, with one exact version")
        if self.sha256 is not None and not (self.gguf or self.packages):
            raise ValueError("sha256 is given without gguf or packages; expected it beside the file that it belongs to")
        if self.packages and self.sha256 is None:
            raise ValueError(
                "packages without sha256; expected the SHA-256 of the GGUF file, or unpinned with data.allow_unpinned"
            )
        known = self.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", self.sha256)
        if not known and not (self.packages and self.sha256 == UNPINNED):
            raise ValueError(f"sha256 is {self.sha256!r}; expected 64 digits of 0-9 and a-f")
        return self

    @property
    def is_converted(self) -> bool:
        """Whether it has to be converted into a folder before anything reads it."""
        return bool(self.gguf or self.packages)

    @model_validator(mode="after")
    def tuned_fits(self) -> Model:
        """A trained model is spoken to as it was trained; weights that are less safe than their source are not written."""
        if self.tuned is None:
            return self
        if self.kind == "uncensored":
            raise ValueError(
                "kind is 'uncensored' for a model with tuned; expected base, aligned or placebo: its weights are written to "
                "disk, and training that lowers safety stays in memory (anatomy.tuning.training)"
            )
        if (self.tuned.chat_template == "none") == self.template:
            raise ValueError(
                f"tuned.chat_template is {self.tuned.chat_template!r} and template is {str(self.template).lower()}; "
                "expected none with template: false, and own or plain with template: true"
            )
        return self

    @model_validator(mode="after")
    def template_options(self) -> Model:
        if not self.template and (self.thinking is not None or self.fold_system):
            name = "fold_system" if self.fold_system else "thinking"
            raise ValueError(f"{name} is set and template is false; expected a chat template for it to act on")
        if self.date is not None and not _is_day(self.date):
            raise ValueError(f"date is {self.date!r}; expected an ISO day such as '2024-07-26'")
        return self


def is_revision(text: str | None) -> bool:
    """Whether a model's revision is a commit, or says that none is known."""
    return text == UNPINNED or re.fullmatch(r"[0-9a-f]{40}", text or "") is not None


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class Splits(Section):
    """Shares of the groups of a prompt set that go to each phase; ignored where the file has a split column."""

    fit: float = Field(0.5, ge=0, le=1, description="training: directions, classifiers")
    select: float = Field(0.2, ge=0, le=1, description="validation: layers, strengths, signs")
    test: float = Field(0.3, ge=0, le=1, description="read once, by the picks and their controls")

    @model_validator(mode="after")
    def whole(self) -> Splits:
        if abs(self.fit + self.select + self.test - 1) > 1e-9:
            raise ValueError(f"shares add up to {self.fit + self.select + self.test}; expected 1")
        return self


class PromptSet(Section):
    """A table of prompts for your own models; the organism brings its own sets under the same names."""

    file: str | None = Field(
        None,
        description="CSV, TSV, JSONL, JSON or Parquet file, or TXT with a prompt a line, relative to the folder of the run",
    )
    split_files: dict[Phase, str] = Field({}, description="instead of file: published splits, {fit: path, select: path, ...}")
    dataset: str | None = Field(None, description="instead of file: a set of config/datasets.yaml, or name/subset of it")
    published: bool = Field(True, description="with dataset: keep its published splits; false: split it by the shares below")
    columns: dict[str, str] = Field(
        {}, description="names of the file's columns, in any letters, and what they are called here: {instruction: prompt}"
    )
    derive_ids: bool = Field(
        False, description="make ids from the content where the file has none. A prompt that stands in several rows is kept once"
    )
    label: str | None = Field(None, description="label for all rows, such as harmful or benign")
    splits: Splits = Field(Splits(), description="shares of groups for each phase")
    seed: int = Field(0, description="seed of the split")
    limits: dict[Phase, int] = Field(
        {}, description="largest number of prompts of each label in a split; whole groups are kept, drawn by the seed"
    )
    near_duplicate: float = Field(
        0.8,
        gt=0,
        le=1,
        description="overlap of character 5-grams (Jaccard) from which two prompts are near-duplicates and stay in one split; "
        "what at least half of the prompts begin or end with (40 letters or more) does not count",
    )
    minimum: int = Field(8, ge=1, description="rows that every split which the run reads must have at least")

    @model_validator(mode="after")
    def one_origin(self) -> PromptSet:
        if sum(map(bool, (self.file, self.split_files, self.dataset))) != 1:
            raise ValueError("found several or none of file, split_files and dataset; expected exactly one of them")
        if self.dataset and self.columns:
            raise ValueError(f"columns are given for dataset {self.dataset!r}; its columns stand in config/datasets.yaml")
        return self
