"""HTML comes from templates alone: what is filled in stays text, what is missing is an error, no template is forgotten."""

import ast
import re

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from app.html.fragment import TEMPLATES, fragment, note
from app.theme import STATIC
from benchmarks.page_ready import ROOT

TAG = re.compile(r"</?[a-z][a-z0-9]*[ >/]")
SOURCES = sorted((ROOT / "app").rglob("*.py"))
TOGETHER = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)


def test_text_cannot_become_markup_or_template():
    odd = '<a href="x">{{#if}} ${1}'
    inside = note(odd).removeprefix('<div class="note">').removesuffix("</div>")
    assert not set(inside) & set('<>"{}$')
    named = fragment("origin", name=odd, stage=odd, seen=odd, target=odd)
    assert "<a" not in named and not set(named) & set("{}$")


def test_words_with_markup_of_their_own_keep_it():
    assert note(Markup("<b>so</b>"), live=True) == '<div class="note" role="status"><b>so</b></div>'


def test_a_value_that_a_template_misses_is_an_error():
    with pytest.raises(UndefinedError, match="guesses"):
        fragment("class_question", concept="", label="", attribute="", state="", hidden=False)


def test_every_template_is_used():
    others = "\n".join(path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir())
    for path in TEMPLATES.iterdir():
        assert f'fragment("{path.stem}"' in TOGETHER or f'from "{path.name}"' in others, path.name


def test_no_markup_is_put_together_in_python():
    for path in SOURCES:
        for made in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.JoinedStr)):
            text = "".join(part.value for part in made.values if isinstance(part, ast.Constant))
            assert not TAG.search(text) or text.startswith("<script>"), f"{path}, line {made.lineno}: {text}"


def test_the_page_calls_the_functions_of_its_script():
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    functions = set(re.findall(r"^(?:async )?function (\w+)", scripts, re.MULTILINE))
    found = re.findall(r'js_on_load="(\w+)\(element\)"|js="(\w+)"|, "(saveFile|copyLink)"', TOGETHER)
    called = {name for names in found for name in names if name}
    assert called <= functions
    assert [name for name in functions - called if len(re.findall(rf"\b{name}\b", scripts)) < 2] == [], "nothing calls it"
