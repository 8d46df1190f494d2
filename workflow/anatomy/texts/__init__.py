"""What models write, and what measures it."""
