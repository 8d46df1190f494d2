"""What a run says on the terminal while it goes on."""
