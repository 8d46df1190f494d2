"""What this machine's processors do fast: number formats, and the rate at which models run."""
