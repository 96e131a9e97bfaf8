"""Which models can be used, where their files are, and how they are loaded."""
