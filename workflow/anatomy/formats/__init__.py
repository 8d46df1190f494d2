"""What a run found, in the files that other tools read, and their directions, read."""
