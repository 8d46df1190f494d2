"""Where a result comes from, whether it can be had again, and what differs when it cannot."""
