"""What is promised to people: licences, likenesses, data."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"\b[A-Z][a-z]+ (?:[A-Z]\. )?[A-Z][a-z]+\b")
OFFERED = sorted([*(ROOT / "assets/prompts").glob("*.yaml"), *(ROOT / "assets/presets").glob("*.yaml")])


def prompts(path: Path) -> str:
    """The lines of data, without comments and descriptions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.match(r"\s*(#|description|label|source|note)", line)]
    return "\n".join(kept)


@pytest.mark.parametrize("path", OFFERED, ids=lambda path: path.name)
def test_no_prompt_names_a_person(path):
    assert NAME.findall(prompts(path)) == []


def test_a_name_would_be_found():
    assert NAME.findall("a photo of Ada Lovelace, a person") == ["Ada Lovelace"]


def test_readme_says_what_becomes_of_data_and_likenesses():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", readme, re.MULTILINE))
    assert "No real person's likeness" in sections["Limits"]
    assert sections["Data"].strip() and sections["Licence and citation"].strip()
