"""Offline: portraits in, the built-in model out. Nothing here is needed to run the app."""
