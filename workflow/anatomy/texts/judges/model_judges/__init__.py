"""Judges that are language models: each with the prompt format it was trained on, its verdict read from the first token that
decides it."""
