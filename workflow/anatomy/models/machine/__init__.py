"""What this machine can do: the number formats it multiplies fast, and how fast it is."""
