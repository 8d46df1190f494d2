"""What stages ask of a model and of a machine, as counts."""
