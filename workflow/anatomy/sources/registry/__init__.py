"""Published data sets and models: where they come from, whether they are here, and how they are fetched."""
