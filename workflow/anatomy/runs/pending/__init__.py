"""What a run has still to do, and why: Snakemake's own plan, in words."""
