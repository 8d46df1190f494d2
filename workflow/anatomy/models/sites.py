"""Names of the places where a model's residual stream is met and written, and of the tokens at which it is."""

from typing import Literal

WriterSite = Literal["o_proj", "down_proj", "embed_tokens"]
"""Matrices that write to the residual stream: two in a block, and the embedding before them."""

StreamSite = Literal["block_input", "attention_output", "mlp_output", "block_output"]
"""Where the stream is met: what a block reads, the two writes it adds (after a post-norm where there is one), and what it
hands on: the input of the next block, or of the final norm."""

Positions = Literal["all", "last_prompt", "generated"]
"""At which tokens: ``all``, the ``last_prompt`` token, or ``generated`` ones only."""

BLOCK_SITES: tuple[WriterSite, ...] = ("o_proj", "down_proj")
EMBEDDING_SITE: WriterSite = "embed_tokens"
