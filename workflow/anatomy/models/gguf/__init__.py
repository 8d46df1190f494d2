"""GGUF files: what one says of itself, what of it can be converted, and its conversion into an ordinary model folder."""
