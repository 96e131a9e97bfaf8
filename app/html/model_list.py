"""The models in words: what each needs, and what it may be used for, read before anything is downloaded."""

from collections.abc import Sequence

from app.text import plain
from fairness_core.models.registry import ModelEntry


def model_list(entries: Sequence[ModelEntry]) -> str:
    """A closed list of every model; a model that cannot be used here says why."""
    return (f'<details class="settings" id="model-list"><summary>Models, what they need, and their licences</summary>'
            f'<ul class="note">{"".join(map(model_entry, entries))}</ul></details>')


def model_entry(entry: ModelEntry) -> str:
    missing = f" <strong>Not here:</strong> {plain(entry.unavailable)}" if entry.unavailable else ""
    return (f"<li><strong>{plain(entry.label)}</strong>. {plain(entry.note)} {size(entry)}{missing}<br>"
            f"{licence(entry)}</li>")


def size(entry: ModelEntry) -> str:
    if not entry.download_gb:
        return "Comes with the app."
    how = f"to be downloaded first (<code>python -m fairness_core models --download {plain(entry.name)}</code>)"
    return f"{entry.download_gb:g} GB, {how if entry.needs_download else 'downloaded already'}."


def licence(entry: ModelEntry) -> str:
    name = plain(entry.licence.name or "unknown")
    link = f'<a href="{plain(entry.licence.url)}" target="_blank" rel="noopener">{name}</a>' if entry.licence.url else name
    return f"Licence: {link}. {plain(entry.licence.terms)}"
