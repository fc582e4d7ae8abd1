"""Each vendor's knowledge, one module each."""
