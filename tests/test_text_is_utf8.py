"""Every text file is read and written as UTF-8, whatever the machine's own encoding is."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for folder in ("app", "benchmarks", "fairness_core", "mini_world", "tests")
         for path in sorted((ROOT / folder).rglob("*.py"))]
READERS_OF_BYTES = ("Image", "packed", "os")  # PIL's, a zip's and the operating system's open() know no encoding


def names_no_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in the encoding that the machine happens to have."""
    if any(keyword.arg == "encoding" for keyword in call.keywords):
        return False
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text", "TextIOWrapper", "fdopen"):
        return True
    if name != "open" or getattr(getattr(call.func, "value", None), "id", "") in READERS_OF_BYTES:
        return False
    place = 0 if isinstance(call.func, ast.Attribute) else 1  # path.open(mode), open(path, mode)
    modes = [*call.args[place:place + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return not any("b" in str(getattr(mode, "value", "")) for mode in modes)


@pytest.mark.parametrize("code, found", [
    ("path.read_text()", True), ("path.read_text(encoding='utf-8')", False), ("path.open()", True),
    ("path.open('ab+')", False), ("open('a', 'w')", True), ("open('a', mode='rb')", False), ("Image.open(a)", False),
])
def test_what_is_looked_for_is_found(code, found):
    assert names_no_encoding(ast.parse(code).body[0].value) == found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_read_and_written_as_utf8(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if names_no_encoding(call)] == []
