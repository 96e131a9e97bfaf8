"""What the engine and the jobs tell -> HTML and words. Pure functions."""
