"""A row that cannot be measured here, and why."""


class Skipped(Exception):
    """Its message stands below the table."""
