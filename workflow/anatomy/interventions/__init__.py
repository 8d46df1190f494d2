"""What is changed: directions, edits as data, checkpoints written from them."""
