"""Settings that pydantic checks: types and bounds stand beside each field, and what is wrong is one plain sentence."""

from collections.abc import Callable
from functools import wraps
from numbers import Integral
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, dataclass_transform

import yaml
from pydantic import BeforeValidator, ConfigDict, FailFast, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from fairness_core.errors import UserError

LONGEST_TEXT, MOST_ENTRIES = 4000, 10_000
SHORT = Repr()
SHORT.maxstring, SHORT.maxother, SHORT.maxlong, SHORT.maxlist, SHORT.maxtuple, SHORT.maxdict = 60, 60, 60, 4, 4, 3
SHORT.maxlevel = 2
LONGEST_NUMBER = 200  # bits; a longer one is told by its length


class ConfigError(UserError):
    """Settings that cannot be used; the message says what to change."""


def as_whole(value: object) -> object:
    """NumPy's whole numbers as Python's, which YAML can write; anything else as it is."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


Whole = Annotated[int, BeforeValidator(as_whole), Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Switch = Annotated[bool, Strict()]
Text = Annotated[str, Strict(), Field(max_length=LONGEST_TEXT)]
Texts = Annotated[tuple[Text, ...], Field(max_length=MOST_ENTRIES), FailFast()]  # YAML's lists, too

MUST = {
    "int_type": "it must be a whole number",
    "float_type": "it must be a number (in YAML, write 0.002 and not 2e-3)",
    "finite_number": "it must be a number (in YAML, write 0.002 and not 2e-3)",
    "bool_type": "it must be true or false",
    "string_type": "it must be text (in YAML, write numbers in quotes)",
    "string_unicode": "it holds half a character: type it again",
    "string_too_short": "it must not be empty",
    "string_too_long": "it must have at most {max_length} characters",
    "greater_than_equal": "it must be at least {ge}",
    "greater_than": "it must be above {gt}",
    "less_than_equal": "it must be at most {le}",
    "less_than": "it must be below {lt}",
    "literal_error": "choose {expected}",
    "tuple_type": "it must be a list",
    "dict_type": "it must be a list of 'name: value' lines",
    "dataclass_type": "it must be a list of 'name: value' lines",
    "too_short": "it must have at least {min_length} of them",
    "too_long": "it must have at most {max_length} of them",
}


@dataclass_transform(frozen_default=True)
def settings(kind: type) -> type:
    """Makes a frozen dataclass that checks its fields, also in `dataclasses.replace`.

    A wrong value or an unknown name raises ConfigError, which names the field; a UserError of the class's own checks
    is raised as it is.
    """
    checked = dataclass(frozen=True, config=ConfigDict(extra="forbid"))(kind)
    construct = checked.__init__

    @wraps(construct)
    def init(self: Any, *values: Any, **named: Any) -> None:
        by_place = zip(field_names(checked)[:len(values)], values, strict=True)
        try:
            construct(self, **dict(by_place), **named)
        except ValidationError as error:
            raise refusal(checked, error) from None

    checked.__init__ = init
    return checked


def refusal(kind: type, error: ValidationError) -> UserError:
    """The first thing that is wrong, in words."""
    wrong = error.errors(include_url=False)[0]
    details = wrong.get("ctx", {})
    if isinstance(details.get("error"), UserError):
        return details["error"]
    *outer, name = wrong["loc"]
    for part in outer:
        kind = getattr(kind, "__pydantic_fields__", {})[part].annotation if part in field_names(kind) else None
    if wrong["type"] in ("unexpected_keyword_argument", "invalid_key"):
        return unknown_setting(name, kind)
    must = MUST[wrong["type"]].format_map({key: plain_number(value) for key, value in details.items()})
    hint = kind.__pydantic_fields__[name].description if name in field_names(kind) else None
    return ConfigError(f"{place(wrong['loc'])} is {shortened(wrong['input'])}: {must}{f' ({hint})' if hint else ''}.")


def unknown_setting(name: object, kind: type) -> ConfigError:
    return ConfigError(f"Unknown setting {shortened(name)}: choose among {', '.join(sorted(field_names(kind)))}.")


def field_names(kind: type | None) -> list[str]:
    return list(getattr(kind, "__pydantic_fields__", ()))


def place(location: tuple[str | int, ...]) -> str:
    """Where in the settings: "losses.face", "prompts (number 3)"."""
    names = ".".join(shortened(part) if len(part) > SHORT.maxstring else part
                     for part in location if isinstance(part, str))
    numbers = "".join(f" (number {part + 1})" for part in location if isinstance(part, int))
    return names + numbers


def plain_number(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def shortened(value: object) -> str:
    """A value as it would be written, cut where it is long."""
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        return "a number of more than 60 digits"
    return SHORT.repr(value)


def from_mapping(kind: Callable, data: object) -> Any:
    """A `settings` class from a YAML mapping. Raises ConfigError."""
    if not isinstance(data, dict):
        raise ConfigError(f"Settings must be a list of 'name: value' lines, not {shortened(data)}.")
    if foreign := [name for name in data if not isinstance(name, str)]:
        raise unknown_setting(foreign[0], kind)
    return kind(**data)


def read_yaml(path: Path) -> object:
    """Raises ConfigError, which names the line, for a file that is not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name} cannot be read as YAML: it is not text in UTF-8.") from None
    return parse_yaml(text, f"{path.name} cannot be read as YAML")


def parse_yaml(text: str, refused: str) -> Any:
    """Plain data. Raises ConfigError, which begins with `refused`."""
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise ConfigError(f"{refused}: its brackets are nested too deep.") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # the others are Python's own, from dates and numbers that PyYAML takes apart: "2025-13-45", "!!bool maybe"
        mark = getattr(error, "problem_mark", None)
        problem = f"line {mark.line + 1}: {error.problem}" if mark else " ".join(str(error).split())
        raise ConfigError(f"{refused}: {problem}.") from None
