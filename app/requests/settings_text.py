"""Settings as text: a YAML file that the command line reads too, and a token for the page's address."""

import base64
import json
import zlib

import yaml

from fairness_core.errors import UserError
from fairness_core.settings.config import FinetuneConfig, from_plain, to_plain
from fairness_core.settings.validation import parse_yaml

LONGEST_TEXT = 200_000  # characters; a list of 200 prompts takes a tenth


class InputError(UserError):
    """Something on the page that cannot be used; the message says what to change."""


def as_yaml(config: FinetuneConfig) -> str:
    """What `python -m fairness_core train --config` reads."""
    return yaml.safe_dump(to_plain(config), sort_keys=False, allow_unicode=True, width=120)


def parsed(text: str) -> FinetuneConfig:
    """Settings of a finetune from YAML or JSON. Raises InputError for anything else, or a target that cannot be."""
    if len(text) > LONGEST_TEXT:
        raise InputError("These are no settings of a finetune: the text is too long.")
    try:
        config = from_plain(parse_yaml(text, "it is not YAML"))
        config.target()
    except UserError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"These are no settings of a finetune: {reason}. Choose a file that “Save settings” made, "
                         "or a run's config.yaml.") from error
    return config


def as_token(config: FinetuneConfig) -> str:
    """The settings in letters, digits, - and _ alone."""
    text = json.dumps(to_plain(config), separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def from_token(token: str) -> FinetuneConfig:
    """The inverse of as_token. Raises InputError for a token that was cut short, or was none."""
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        text = zlib.decompressobj().decompress(packed, LONGEST_TEXT + 1).decode()
    except (ValueError, zlib.error) as error:
        raise InputError("The settings in this link are damaged: copy the whole link again.") from error
    return parsed(text)
