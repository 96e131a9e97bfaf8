"""Measures the built-in model and writes its card: every figure comes from here. See __main__.py for the command."""
