"""Measures the product against a tutorial version and against the least that could do the work."""
