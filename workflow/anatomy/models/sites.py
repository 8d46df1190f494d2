"""Names of the places in a block that write to the residual stream, and of the embedding before them."""

BLOCK_SITES = ("o_proj", "down_proj")
EMBEDDING_SITE = "embed_tokens"
