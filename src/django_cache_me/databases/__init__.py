"""Which database this is, what its tables are, and what state a connection is in."""
