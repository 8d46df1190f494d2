"""What runs around the stages: Snakemake's controller, plan, progress, resources, provenance."""
