"""The results of a run as tables and charts, each with where it comes from."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from anatomy.errors import DataError, StoreError, parsing
from anatomy.runs.provenance.chain import chain
from anatomy.runs.provenance.names import CONFIGURATION, name_in_run, run_folder
from anatomy.runs.provenance.record import FOLDER, JOBS
from anatomy.store.files import read_json, read_table
from anatomy.store.json_objects import JsonObject

if TYPE_CHECKING:
    import altair

    from anatomy.notebook.study_model import StudyModel

LEDGER, CHART, PROVENANCE = "claims/ledger.parquet", ".vl.json", "provenance"
"""The ledger, how the names of charts end, and the key of ``DataFrame.attrs`` that says where a table comes from."""

KEPT = (".parquet", ".csv")
"""Tables that can be read."""


class Study:
    """The results of one run.

    Args:
        folder: of the results, such as ``results/mine``; it may have been moved.

    Raises:
        StoreError: the folder holds no records of a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / JOBS).is_dir():
            known = self.folder.is_dir()
            near = self.folder if known else self.folder.parent
            inside = sorted(str(path.parents[1]) for path in near.glob(f"*/{JOBS}")) if known or self.folder.exists() else []
            inside += [str(path) for path in self.folder.parents if not known and (path / JOBS).is_dir()]
            raise StoreError(
                found="no records of a run" if known else "a file" if self.folder.exists() else "no such folder",
                expected=f"a study, which is the folder of a run's results, with {JOBS} in it",
                where=str(self.folder),
                remedy=f"give {' or '.join(inside)}" if inside else "give the folder that the option `results` names",
            )

    def __repr__(self) -> str:
        return f"Study({str(self.folder)!r}: {len(self.models)} models, {len(self.figures)} figures)"

    @cached_property
    def configuration(self) -> JsonObject:
        """The configuration of the run, every option spelled out."""
        return dict(read_json(self.folder / FOLDER / CONFIGURATION))

    @property
    def claims(self) -> pd.DataFrame:
        """The ledger: one row a claim and model, with its statistic, interval, controls and verdict.

        Raises:
            DataError: the run tested no claims, or did not get there.
        """
        return self.table(LEDGER)

    @property
    def tables(self) -> list[str]:
        """Names of all tables, for ``table``: those of the page first, then what stages left."""
        found = sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.suffix in KEPT and not set(path.relative_to(self.folder).parts[:-1]) & {"store", "controller", "training"}
        )
        return sorted(found, key=lambda name: not name.startswith(("tables/", "claims/", "figures/")))

    def table(self, name: str) -> pd.DataFrame:
        """One table, in full precision; ``attrs["provenance"]`` names the file and the jobs behind it.

        Args:
            name: of ``tables``; the suffix, and for tables of the page the folder, may be left out.

        Raises:
            DataError: no such table, several, or an empty file.
        """
        path = self._file(name, KEPT, self.tables)
        found = read_table(path) if path.suffix == ".parquet" else _csv(path)
        found.attrs[PROVENANCE] = self._origin(path)
        return found

    @property
    def figures(self) -> list[str]:
        """Names of all figures, for ``figure``; a paper's own have its folder before them."""
        paths = (path.relative_to(self.folder) for path in self.folder.rglob(f"*{CHART}"))
        return sorted(str(path).removesuffix(CHART).removeprefix("figures/") for path in paths)

    def figure(self, name: str) -> altair.TopLevelMixin:
        """One figure as a chart with its data inside; ``usermeta["provenance"]`` is that of ``table``.

        Raises:
            DataError: no such figure.
        """
        import altair

        path = self._file(name, (CHART,), [f"{one}{CHART}" for one in self.figures])
        spec: dict[str, Any] = read_json(path)
        origin = self._origin(path)
        return altair.Chart.from_dict({**spec, "usermeta": {**spec.get("usermeta", {}), PROVENANCE: origin}})

    def provenance(self, name: str) -> pd.DataFrame:
        """The jobs behind a table or figure, its own first: rule, wildcards, seconds, seeds, code, raw inputs.

        Args:
            name: of ``tables`` or ``figures``.

        Raises:
            DataError: no such table or figure.
            StoreError: no record names the file.
        """
        path = self._file(name, (*KEPT, CHART), [*self.tables, *(f"{one}{CHART}" for one in self.figures)])
        records = chain(self.folder, name_in_run(path, self.folder))
        rows = [
            {
                "rule": record["rule"],
                "wildcards": ", ".join(f"{key}={value}" for key, value in record["wildcards"].items()),
                "started": record["cost"]["started"],
                "seconds": record["cost"]["seconds"],
                "seeds": record["seeds"],
                "code": record["parameters"].get("code"),
                "inputs": record["inputs"],
                "software": record["software"],
            }
            for record in records
        ]
        return pd.DataFrame(rows)

    @property
    def models(self) -> list[str]:
        """Names of the models under study, for ``model``."""
        return sorted(path.stem for path in (self.folder / "models").glob("*.json"))

    def model(self, name: str) -> StudyModel:
        """A model of the study, to be asked further; opened when it is first asked.

        Raises:
            DataError: no such model.
        """
        if name not in self.models:
            raise DataError(
                found=f"model {name!r}", expected=f"one of {', '.join(self.models)}", where=str(self.folder / "models")
            )
        from anatomy.notebook.study_model import StudyModel  # here, because it needs torch and transformers

        return StudyModel(self.folder, run_folder(self.folder), name, self.configuration)

    def _file(self, name: str, suffixes: tuple[str, ...], known: list[str]) -> Path:
        """The file that a name means: whole, without its suffix, or without the folder of the page's tables."""
        wanted = [name, *(f"{name}{suffix}" for suffix in suffixes)]
        for folder in ("", "figures/", "tables/", "claims/"):
            for one in wanted:
                path = self.folder / f"{folder}{one}"
                if path.name.endswith(suffixes) and path.is_file() and path.resolve().is_relative_to(self.folder.resolve()):
                    return path
        close = [one for one in known if Path(name).name.partition(".")[0] in one][:5] or known[:5]
        raise DataError(
            found=f"no {name!r}",
            expected=f"one of {len(known)}, such as {', '.join(close)}" if known else "a run that got that far",
            where=str(self.folder),
        )

    def _origin(self, path: Path) -> JsonObject:
        """Where a file comes from: its path, and the job that made it with those behind it."""
        try:
            records = chain(self.folder, name_in_run(path, self.folder))
        except StoreError:
            return {"file": str(path), "jobs": []}
        return {"file": str(path), "jobs": [".".join([one["rule"], *one["wildcards"].values()]) for one in records]}


def _csv(path: Path) -> pd.DataFrame:
    with parsing(DataError, str(path), "a table as CSV", pd.errors.ParserError, pd.errors.EmptyDataError):
        return pd.read_csv(path)


def open_study(folder: str | Path) -> Study:
    """Open the results of a run, finished or not. Raises as ``Study``."""
    return Study(folder)
