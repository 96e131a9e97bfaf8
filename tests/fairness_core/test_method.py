"""METHOD.md and the code speak of one another: what either names is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import fairness_core

ENGINE = Path(fairness_core.__file__).parent
METHOD = (ENGINE / "METHOD.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^##+ (\d(?:\.\d)?)\.? ", METHOD, re.MULTILINE)
FILES = sorted(path for room in ("fairness_core", "app", "benchmarks", "mini_world")
               for path in (ENGINE.parent / room).rglob("*.py"))
ROOMS = {path.name for path in ENGINE.iterdir() if path.is_dir()}
NAMED = sorted({name for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", METHOD) if name.split(".")[0] in ROOMS})


def test_the_sections_are_numbered_in_order():
    assert HEADINGS == sorted(HEADINGS) and [h for h in HEADINGS if "." not in h] == [str(n) for n in range(1, 9)]


def test_every_section_a_docstring_cites_is_there():
    cited = [(path.name, *found) for path in FILES
             for found in re.findall(r"METHOD(?: section (\d(?:\.\d)?))?", path.read_text(encoding="utf-8"))]
    assert len(cited) >= 5
    assert [where for where in cited if where[1] not in HEADINGS] == []


def test_every_section_it_cites_itself_is_there():
    cited = re.findall(r"\(sections? (\d(?:\.\d)?)\)", METHOD)
    assert cited and set(cited) <= set(HEADINGS)


@pytest.mark.parametrize("name", NAMED)
def test_every_function_it_names_is_there(name):
    """As module.name, module, or module.Class.name below fairness_core."""
    parts, found = name.split("."), fairness_core
    for i, part in enumerate(parts):
        try:
            found = import_module(".".join(["fairness_core", *parts[:i + 1]]))
        except ModuleNotFoundError:
            found = getattr(found, part)


def test_every_setting_it_names_is_one():
    """Lower-case words in code letters that are no function: settings of a finetune."""
    table = METHOD[METHOD.index("## 8."):]
    settings = {name for name in re.findall(r"`(\w+_\w+)", table)}
    assert settings and settings <= set(fairness_core.FinetuneConfig.__dataclass_fields__)


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", METHOD)
    assert links and [link for link in links if not (ENGINE / link).exists()] == []
