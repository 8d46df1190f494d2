"""What is read from a model while it runs, and how it is intervened upon."""
