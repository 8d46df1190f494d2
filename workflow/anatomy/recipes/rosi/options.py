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
        description="row_mean is the paper's; projection and mean_input are variants; [] for no edit, the direction alone",
    )
    strengths: dict[Form, list[float]] = Field(
        {"row_mean": [1.0, 2.0, 5.0, 10.0], "projection": [0.125, 0.25, 0.5, 1.0], "mean_input": [1.0, 2.0, 5.0, 10.0]},
        description="row_mean and mean_input: per cent of a matrix's Frobenius norm; projection: alpha",
    )
    layers: Literal["kept"] | list[int] = Field(
        "kept", description="layers whose direction is tried; kept: all below the selection's cut, from the second on"
    )
    sites: list[Site] = Field(["o_proj", "down_proj"], description="matrices that are edited, in all layers")
    shortlist: int = Field(2, ge=1, description="candidates a search generates with on the select split")
    max_benign_rise: float = Field(0.05, ge=0, description="rise of benign refusals on select above which a candidate is out")
    headline: list[Identifier] = Field(
        ["weak"], description="models (or organism members) whose edits are ranked among controls that searched likewise"
    )
    max_benchmark_loss: float = Field(0.05, ge=0, description="mean benchmark loss on select above which a candidate is out")
    published: str | None = Field(
        None, description="CSV with the paper's numbers to print beside ours: table, model, source (set or task), arm, value"
    )
