"""Imports point one way: app -> fairness_core, and the engine knows no Gradio."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fairness_core

ROOT = Path(__file__).resolve().parents[2]
ENGINE, APP = (sorted((ROOT / name).rglob("*.py")) for name in ("fairness_core", "app"))


def imported(path: Path) -> set[str]:
    """Top-level packages a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_an_engine_file_imports_neither_gradio_nor_the_app(path):
    assert not imported(path) & {"gradio", "gradio_client", "app", "mini_world", "tests", "benchmarks"}


@pytest.mark.parametrize("path", APP, ids=lambda path: path.stem)
def test_an_app_file_imports_the_engine_and_nothing_else_of_the_project(path):
    assert not imported(path) & {"mini_world", "tests", "benchmarks"}


def test_only_lora_knows_peft():
    assert [path.stem for path in ENGINE if "peft" in imported(path)] == ["lora"]


@pytest.mark.slow
def test_importing_the_whole_engine_loads_neither_gradio_nor_the_app():
    """What the libraries themselves import counts too."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ENGINE if path.stem != "__main__"]
    script = (f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
              "print(sorted({name.split('.')[0] for name in sys.modules} & {'gradio', 'app', 'mini_world'}))")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_public_names_are_there_and_importing_the_package_is_quick():
    """`import fairness_core` loads no torch; half of .1 s is python's own start."""
    script = ("import sys, time\nstart = time.perf_counter()\nimport fairness_core\nspent = time.perf_counter() - start\n"
              "print(spent < .1, 'torch' in sys.modules, all(callable(getattr(fairness_core, n)) for n in fairness_core.__all__))")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False", "True"], done.stderr
    with pytest.raises(AttributeError, match="no_such_name"):
        fairness_core.no_such_name
