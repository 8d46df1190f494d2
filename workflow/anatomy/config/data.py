"""Options for published data: where copies lie, where they come from, what happens where one is missing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anatomy.config.section import Section


class Data(Section):
    """Published data sets (prompt_sets.<id>.dataset, benchmarks), hub models and files that packages carry."""

    folder: str = Field(
        "data",
        description="folder with local copies of the registry's data sets and packaged files, relative to the folder of the run",
    )
    registry: str | None = Field(None, description="file with further data sets, in the form of config/datasets.yaml")
    mirror: str | None = Field(
        None, description="folder that stands in for the network: <set>/<file>, models/<org>/<name>/<revision>, packages/<file>"
    )
    offline: bool = Field(False, description="true: prefetch takes from the mirror alone and says what is missing")
    missing: Literal["error", "skip"] = Field(
        "error",
        description="what to do if data for your own models are not here. error: stop before any job; skip: leave out "
        "these test sets and benchmarks, whose claims then read 'not testable here'",
    )
    allow_unpinned: bool = Field(False, description="fetch data sets and models whose commit is unknown, as they are today")
    timeout: float = Field(30.0, gt=0, description="seconds without an answer or a byte after which a download is given up")
    tries: int = Field(
        3, ge=1, description="attempts at each download; one that got further than the attempt before does not count"
    )
