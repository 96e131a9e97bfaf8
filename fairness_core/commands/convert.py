"""convert: an adapter of others into this app's format, or any into kohya's."""

from argparse import Namespace

from fairness_core.adapters.conversion import convert
from fairness_core.commands.common import DONE


def run(options: Namespace) -> int:
    adapter = convert(options.source, options.destination, options.format)
    parts = [f"LoRA of rank {part.rank} for the {tower.replace('_', ' ')}" for tower, part in adapter.lora.items()]
    if adapter.tokens is not None:
        parts = [f"{len(adapter.tokens)} soft tokens"]
    print(f"wrote {options.destination}: {' and '.join(parts)}")
    return DONE
