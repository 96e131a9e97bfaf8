"""python -m fairness_core train|evaluate|check|audit|generate|report|convert|models|bench: the engine from a terminal.

Exit codes: 0 done, 1 something cannot be used (one line says what to do), 2 wrong words, 130 stopped by Ctrl-C.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from fairness_core.commands.parser import build_parser
from fairness_core.errors import UserError, words_for
from fairness_core.hardware.allocator import tune_process

REFUSED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    tune_process()
    write_what_the_terminal_can()
    options = build_parser().parse_args(arguments)
    try:
        return import_module(f"fairness_core.commands.{options.command}").run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (UserError, OSError) as error:  # anything else is a bug: its traceback is what can be reported
        print("error:", *words_for(error).split(), file=sys.stderr)
        return REFUSED


def write_what_the_terminal_can() -> None:
    """Terminals that know few characters get a question mark for the others, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
