"""The figures of the README, each by one command."""

from fairness_core.hardware.allocator import tune_process

tune_process()
