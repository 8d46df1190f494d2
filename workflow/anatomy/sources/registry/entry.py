"""What is known about one published data set: where it comes from, at which commit, under which licence, with which bytes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from anatomy.config.section import Identifier, Section
from anatomy.errors import DataError

Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Gating = Literal["open", "click-through", "manual", "form", "password"]
Use = Literal["prompts", "benchmark", "corpus"]
Form = Literal["table", "json lines", "lines", "strings", "no header"]
OURS = ("id", "prompt", "response", "label", "category", "group", "pair")
SPLITS = ("fit", "select", "test")


class Source(Section):
    """Where the files lie; give exactly one of hub and url."""

    hub: str | None = Field(None, description="data set of the Hugging Face hub, org/name")
    url: str | None = Field(None, description="address the files' paths follow; {revision} stands where the commit belongs")

    @model_validator(mode="after")
    def one_place(self) -> Source:
        if (self.hub is None) == (self.url is None):
            raise ValueError("found both or neither of hub and url; expected exactly one of them")
        return self


class File(Section):
    """One file of a set."""

    path: str = Field(description="path in the repository")
    sha256: Sha256 | None = Field(None, description="SHA-256 of its bytes, where known")
    git_blob: Commit | None = Field(None, description="git's own digest of its bytes, where a clone shows it")
    rows: int | None = Field(None, ge=1, description="rows it holds, where known")
    split: Identifier | None = Field(None, description="published split it is: fit, select, test; for benchmarks lm-eval's name")
    values: dict[str, str] = Field({}, description="columns of the file's own that hold one value throughout")

    @model_validator(mode="after")
    def inside(self) -> File:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"path {self.path!r}; expected a path inside the repository")
        return self


class Subset(Section):
    """Rows of a set that are asked for as ``name/subset``."""

    where: dict[str, list[str]] = Field(description="file's column to the values that are kept")
    rows: int | None = Field(None, ge=1, description="rows it has, where known")


class Benchmark(Section):
    """How lm-eval's data are laid out for ``anatomy.serving.benchmarks``."""

    folder: Identifier = Field(description="folder under benchmarks.data")
    tasks: list[str] = Field(min_length=1, description="lm-eval tasks that read it; mmlu stands for mmlu_<subject> too")
    evaluated: Identifier = Field(description="split the tasks are scored on")
    by: str | None = Field(None, description="column whose values become files of their own, such as subject")


class Entry(Section):
    """One published data set."""

    title: str = Field(description="name in tables")
    use: Use = Field(description="prompts, an lm-eval benchmark, or a corpus of running text")
    source: Source = Field(description="where its files lie")
    revision: Commit | None = Field(description="commit; null where none is known, which the note then says")
    files: list[File] = Field(description="its files; none where which ones are needed, or how to get them, is not known")
    licence: str = Field(description="licence of the data, or that none is stated")
    gating: Gating = Field(description="what stands before the download")
    form: Form = Field("table", description="table: by extension; lines: one prompt a line; strings: a JSON array of strings")
    columns: dict[str, str] = Field({}, description="file's column to ours")
    label: str | None = Field(None, description="label of all rows")
    labels: dict[str, str] = Field({}, description="file's label to ours, where a column is mapped to label")
    where: dict[str, list[str]] = Field({}, description='file\'s column to the values that are kept; "" is an empty cell')
    rows: int | None = Field(None, ge=1, description="rows all files give together once `where` has chosen, where known")
    subsets: dict[Identifier, Subset] = Field({}, description="parts that can be asked for by name")
    benchmark: Benchmark | None = Field(None, description="for a benchmark: how its data are laid out")
    note: str = Field("", description="what a user should know")

    @model_validator(mode="after")
    def consistent(self) -> Entry:
        if self.revision is None and "revision" not in self.note:
            raise ValueError("revision is null; expected a note that says why, with the word 'revision' in it")
        if not self.files and not self.note:
            raise ValueError("no files; expected a note that says how to get them")
        if self.source.url is not None and ("{revision}" in self.source.url) != (self.revision is not None):
            raise ValueError("expected {revision} in source.url exactly where a revision is given")
        if (self.benchmark is not None) != (self.use == "benchmark"):
            raise ValueError(f"use {self.use!r}; expected a benchmark section exactly where use is benchmark")
        self._columns_fit()
        return self

    def _columns_fit(self) -> None:
        if unknown := sorted(set(self.columns.values()) - set(OURS)):
            raise ValueError(f"columns are mapped to {unknown}; expected some of {list(OURS)}")
        if self.use != "prompts":
            return
        if self.files and "prompt" not in self.columns.values():
            raise ValueError("no column is mapped to prompt")
        if self.files and (self.label is None) == ("label" not in self.columns.values()):
            raise ValueError("expected either a label for all rows or a column mapped to label")
        if wrong := sorted({file.split for file in self.files if file.split is not None} - set(SPLITS)):
            raise ValueError(f"splits {wrong}; expected some of {list(SPLITS)}")

    @property
    def pinned(self) -> bool:
        """Whether what is fetched is fixed: by a commit, or by the digests of all files."""
        return self.revision is not None or bool(self.files and all(file.sha256 or file.git_blob for file in self.files))

    @property
    def layout(self) -> Benchmark:
        """How a benchmark's data are laid out.

        Raises:
            DataError: the set is no benchmark.
        """
        if self.benchmark is None:
            raise DataError(found=f"a set of {self.use}", expected="a benchmark", where=self.title)
        return self.benchmark

    @property
    def place(self) -> str:
        """The page a person reads, or the address of the files."""
        return f"https://huggingface.co/datasets/{self.source.hub}" if self.source.hub else str(self.source.url)

    def serves(self, task: str) -> bool:
        """Whether an lm-eval task reads this set."""
        wanted = self.benchmark.tasks if self.benchmark else []
        return any(task == name or (name == "mmlu" and task.startswith("mmlu_")) for name in wanted)
