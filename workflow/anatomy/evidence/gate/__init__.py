"""Whether edited weights may leave results."""
