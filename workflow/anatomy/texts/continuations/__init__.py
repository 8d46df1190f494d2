"""From a human prefix to texts that are ready to be measured: the corpus, the prompts, the post-processing."""
