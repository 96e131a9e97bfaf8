"""A run opened by its id: in the tab that it belongs to, with the settings by which Start would repeat it."""

from typing import Any

import gradio as gr

from app.html.fragment import note
from app.jobs.files import AUDIT, CHECK, FINETUNE, JobError, JobView
from app.jobs.lab import LAB
from app.page import Updates
from app.requests.page_values import page_values
from app.rooms.desk import Desk
from app.rooms.settings import LOADED
from fairness_core.errors import UserError
from fairness_core.settings.config import FinetuneConfig, to_plain

PLACE = ("tabs", "job_id", "check_id", "lab_id", "audit_id")
OPENED = (*PLACE, *LOADED)
IN_OWN_TABS = (LAB, CHECK, AUDIT)
BESIDES = tuple(name for name in OPENED if name not in ("job_id", "banner"))  # what else than a whole refresh changes
TARGET = ("prompts", "marginals", "joint", "joint_attributes", "targets_by_prompt", "model", "film_prompts")  # the visitor's in any length


def place_of(desk: Desk, job_id: str) -> Updates:
    """The tab of a run, and the ids by which the rooms find it: what must not move stands beside its finetune.

    An id that is not known is left to the Balance page, which says so.
    """
    try:
        view = desk.view_of(job_id)
    except JobError:
        view = None
    kind = view.request.kind if view else FINETUNE
    if kind == LAB:
        return {"tabs": gr.update(selected="lab"), "job_id": "", "lab_id": job_id}
    if kind == AUDIT:
        return {"tabs": gr.update(selected="audit"), "job_id": "", "audit_id": job_id}
    if kind == CHECK:
        return {"tabs": gr.update(selected="must-not-move"), "job_id": desk.known(view.request.source), "check_id": job_id}
    return {"tabs": gr.update(selected="balance"), "job_id": job_id}


def settings_of(desk: Desk, view: JobView | None) -> Updates:
    """The page as it was when this run was started; of a run that has no settings of a finetune nothing."""
    if view is None or not has_settings(view):
        return {}
    try:
        return shown(desk, view) | compared(view) | {"loaded_note": note(f"The settings of {title(view)}: Start repeats it.")}
    except UserError as error:  # the page has no fields for them, or the model is no longer here
        return {"loaded_note": note(f"The settings of {title(view)} cannot be shown here. {error}")}


def shown(desk: Desk, view: JobView) -> Updates:
    """Raises InputError or ModelError for settings that this page or machine cannot take up."""
    config = view.request.config
    own = {"length": None, "filled_for": "", "experiment": None, "estimate": desk.takes(None, config.steps)}
    if preset := length_of(desk, config):
        own |= {"length": preset.name, "filled_for": preset.name, "estimate": desk.takes(preset, config.steps)}
    return page_values(config, desk.runner.engine) | own


def compared(view: JobView) -> dict[str, int]:
    """How much was compared, by the names in Advanced."""
    asked, prompts = view.request, view.request.config.prompts
    trained = sum(p in prompts for p in asked.compare_prompts)
    return {"compare_images": asked.images, "compare_trained": trained,
            "compare_held_out": len(asked.compare_prompts) - trained}


def length_of(desk: Desk, config: FinetuneConfig) -> Any:
    """The length whose settings these are, whatever target, prompts and model they are for; None for others."""
    def plain(one: FinetuneConfig) -> dict:
        return {name: value for name, value in to_plain(one).items() if name not in TARGET}
    return next((preset for preset in desk.presets.values() if plain(preset.config) == plain(config)), None)


def has_settings(view: JobView) -> bool:
    """Whether Start could repeat it: it has a target, and is not shown in a tab of its own."""
    config = view.request.config
    return view.request.kind not in IN_OWN_TABS and (bool(config.marginals) or config.joint is not None)


def title(view: JobView) -> str:
    return f"“{view.request.name}”" if view.request.name else f"run {view.job_id}"
