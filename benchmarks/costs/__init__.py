"""`make bench-costs`: what the package costs where it doesn't help, in time and in memory."""
