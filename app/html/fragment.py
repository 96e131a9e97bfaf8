"""A template filled in: every piece of HTML on the page is a file in templates/, and nothing else makes any."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from fairness_core.settings.attributes import load_attributes

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE_SIGNS = {"{": "&#123;", "}": "&#125;", "$": "&#36;"}


@cache
def environment() -> Environment:
    """What is filled in is escaped; a value that a template misses is an error."""
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True, auto_reload=False)
    made.filters["explained"] = explained
    return made


def explained(text: str) -> Markup:
    """The text with each class label that has to be explained (WMELH) carrying what it stands for."""
    html = escape(text)
    for one in (c for a in load_attributes().values() for c in a.classes if c.description):
        html = html.replace(escape(one.label), Markup('<abbr title="{}">{}</abbr>').format(one.description, one.label))
    return html


def fragment(name: str, /, **values: Any) -> Markup:
    """The template of that name, fit for gr.HTML, whose own templates read braces and dollars wherever they stand.

    Raises jinja2.UndefinedError when the template asks for a value that is not given.
    """
    html = environment().get_template(f"{name}.html").render(values).strip()
    for sign, entity in TEMPLATE_SIGNS.items():
        html = html.replace(sign, entity)
    return Markup(html)


def note(text: str, live: bool = False) -> Markup:
    """A line in small print. live: read out to screen readers when it changes."""
    return fragment("note", text=text, live=live)
