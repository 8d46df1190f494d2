"""What jobs of the mechanism battery do."""
