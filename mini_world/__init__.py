"""Offline: portraits in, the built-in model out. Nothing here is needed to run the app."""

from fairness_core.hardware.allocator import tune_process

tune_process()
