"""PASTA (Anand et al. 2026): measure, localise and ablate the signature of post-training."""
