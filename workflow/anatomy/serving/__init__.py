"""Completions and likelihoods from one vLLM engine, with transformers as the reference."""
