"""Whether prompts fit into what a model reads: told while they are typed, and refused before they are queued."""

from app.engine import Engine
from app.html.fragment import note
from app.jobs.files import JobError, JobRequest
from fairness_core.settings.prompt_length import PromptError, PromptLength, check_length
from fairness_core.settings.prompts import parse_prompts


def length_of(engine: Engine, model: str, prompt: str, reserved: int) -> PromptLength | None:
    """As the engine's. A stranger's word for a model is no path on this machine."""
    if engine.find_model is None and model not in (entry.name for entry in engine.available_models()):
        return None
    try:
        return engine.prompt_length(model, prompt, reserved)
    except (OSError, RuntimeError):  # no folder can have this name, or it is in the home of nobody here
        return None


def check_request(engine: Engine, request: JobRequest) -> None:
    """Raises JobError, which says how many tokens there may be, for a prompt that the model would not read to its end."""
    config, reserved = request.config, request.config.reserved_places
    for prompt in dict.fromkeys((*config.prompts, *config.kept_prompts, *config.film_prompts, *request.compare_prompts)):
        if length := length_of(engine, config.model, prompt, reserved):
            try:
                check_length(prompt, length, reserved)
            except PromptError as error:
                raise JobError(str(error)) from error


def typed_note(engine: Engine, model: str, text: str, reserved: int) -> str:
    """How many tokens are left to the longest of the prompts typed, one a line; nothing where that is not known."""
    prompts = parse_prompts(text or "")
    known = [(length.left, length, prompt) for prompt in prompts
             if (length := length_of(engine, model, prompt, reserved))]
    if not known:
        return ""
    _, length, prompt = min(known, key=lambda one: one[0])
    which = f"“{prompt[:40]}{'…' if len(prompt) > 40 else ''}”: " if len(prompts) > 1 else ""
    return note(f"{which}{length.told(reserved)}.")
