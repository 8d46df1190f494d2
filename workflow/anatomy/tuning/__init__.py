"""A model made from another one by training on prompts with responses: rows, the loop, and the weights that come of it."""
