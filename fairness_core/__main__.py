"""python -m fairness_core train|evaluate|check|generate|report|convert|models|bench: the engine from a terminal.

Exit codes: 0 done, 1 something cannot be used (one line says what to do), 2 wrong words, 130 stopped by Ctrl-C.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from fairness_core.commands.parser import build_parser
from fairness_core.hardware.allocator import tune_process

REFUSED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    tune_process()
    options = build_parser().parse_args(arguments)
    try:
        return import_module(f"fairness_core.commands.{options.command}").run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        if not is_for_the_user(error):
            raise
        print("error:", *str(error).split(), file=sys.stderr)
        return REFUSED


def is_for_the_user(error: Exception) -> bool:
    """Whether the message says what to do: the engine's own errors, and what the disk says. Others are bugs."""
    return isinstance(error, OSError) or type(error).__module__.startswith("fairness_core.")


if __name__ == "__main__":
    sys.exit(main())
