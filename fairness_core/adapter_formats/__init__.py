"""Adapters of others, into this app's files and out of them."""

from fairness_core.adapter_formats.conversion import FORMATS, convert

__all__ = ["FORMATS", "convert"]
