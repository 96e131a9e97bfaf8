"""The limits of this house: functions that fit on a screen, files that can be read at one sitting."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("fairness_core", "app", "mini_world", "benchmarks", "tests")
MOST_FUNCTION_LINES, MOST_FILE_LINES = 40, 250
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def lines_of_functions(path: Path) -> dict[str, int]:
    """By "file name": how many lines it has, without its decorators."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {f"{path.relative_to(ROOT).as_posix()} {node.name}": node.end_lineno - node.lineno + 1
            for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_functions_have_at_most_40_lines():
    lines = {name: n for path in FILES for name, n in lines_of_functions(path).items()}
    assert lines
    assert {name: n for name, n in lines.items() if n > MOST_FUNCTION_LINES} == {}


def test_files_have_at_most_250_lines():
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: n for name, n in lines.items() if n > MOST_FILE_LINES} == {}
