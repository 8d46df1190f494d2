"""What every section of the configuration shares: unknown keys are errors, numbers are finite, values are frozen."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
"""A name that is safe in paths and wildcards: lower case letters, digits, dot, underscore, hyphen."""


class Section(BaseModel):
    """A block of options."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)
