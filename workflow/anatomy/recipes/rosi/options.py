"""Options of ROSI."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anatomy.config.methods import Form, Site
from anatomy.config.section import Identifier, Section


class Rosi(Section):
    """Rank-one safety injection (Abu Shairah et al. 2025), its variants and their search."""

    forms: list[Form] = Field(
        ["row_mean", "projection", "mean_input"],
        description="forms of the edit: row_mean is the paper's, projection and mean_input are ours; [] for no edit, the "
        "direction alone",
    )
    strengths: dict[Form, list[float]] = Field(
        {"row_mean": [1.0, 2.0, 5.0, 10.0], "projection": [0.125, 0.25, 0.5, 1.0], "mean_input": [1.0, 2.0, 5.0, 10.0]},
        description="strengths that are tried. row_mean and mean_input: per cent of a matrix's Frobenius norm; projection: alpha",
    )
    layers: Literal["kept"] | list[int] = Field(
        "kept", description="layers whose direction is tried; kept: from the second one up to where selection.layer_share cuts"
    )
    sites: list[Site] = Field(["o_proj", "down_proj"], description="matrices that are edited, in all layers")
    shortlist: int = Field(
        2, ge=1, description="number of candidates in each search with which answers are generated on the select split"
    )
    max_benign_rise: float = Field(
        0.05,
        ge=0,
        description="limit of the rise in the refusal of benign requests on the select split: candidates whose whole interval "
        "lies above it are dropped",
    )
    headline: list[Identifier] = Field(
        ["weak"],
        description="models (or organism members) whose edits are ranked among control edits that went through the same search",
    )
    controlled: list[Literal["row_mean", "row_mean_signed", "projection"]] = Field(
        ["row_mean", "row_mean_signed", "projection"],
        description="searches that control directions go through as well; edits of others are measured without a rank",
    )
    max_benchmark_loss: float = Field(
        0.05,
        ge=0,
        description="limit of the mean loss on benchmarks on the select split: candidates whose whole interval lies above it are "
        "dropped",
    )
    benchmarked_controls: Literal["none", "organism", "all"] = Field(
        "organism",
        description="models whose control edits take the benchmarks on the select split, as candidates do: the band of benchmark "
        "losses that figures of the front draw. organism: its members alone; all: your own models too, where each control in the "
        "shortlists costs as many items as a candidate; none: no band. It does not change what is picked",
    )
    published: str | None = Field(
        None, description="CSV with the paper's numbers to print beside ours: table, model, source (set or task), arm, value"
    )
