"""Options for directions that somebody else's tool wrote."""

from __future__ import annotations

from pydantic import Field

from anatomy.config.section import Identifier, Section


class ForeignDirection(Section):
    """A direction at every layer, from a file, searched for edits as the model's own is."""

    file: str = Field(
        min_length=1,
        description="a control vector of repeng or llama.cpp (.gguf), or a safetensors file with one tensor [layer, d_model], "
        "whose row l is the input of block l",
    )
    models: list[Identifier] = Field(min_length=1, description="models or members of the organism whose direction it is")
    made_by: str = Field(min_length=1, description="what made it, in words, for the report")
