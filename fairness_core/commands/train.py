"""train: a finetune into a run's folder, one line a step."""

from argparse import Namespace
from datetime import datetime

from fairness_core.about import About, machine
from fairness_core.commands.common import DONE, INTERRUPTED, changed, load_settings, loaded, ready_folder, stoppable
from fairness_core.events import Event, Finished, Saved, Started, StepDone
from fairness_core.hardware.processes import current_share
from fairness_core.models.tokenizers import check_prompts
from fairness_core.runs import RunError, RunFolder, append_event, read_config, read_events, save_about
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.training.finetune import finetune


def run(options: Namespace) -> int:
    folder = RunFolder(options.out)
    config = settings(options, folder)
    check_prompts(config.model, (*config.prompts, *config.kept_prompts), config.reserved_places)
    ready_folder(options.out)
    model = loaded(config.model, options.memory)
    with stoppable("after this step; what was learned is kept.") as should_stop:
        for event in finetune(model, config, folder.path, should_stop=should_stop, resume=options.resume):
            append_event(folder, event)
            if line := words(event):
                print(line, flush=True)
        stopped = should_stop()
    if current_share(model.device).is_main:
        tell(folder, config)
    return INTERRUPTED if stopped else DONE


def tell(folder: RunFolder, config: FinetuneConfig) -> None:
    """Writes what the history says about the run."""
    seconds = {event.step: event.seconds for event in read_events(folder) if isinstance(event, StepDone)}
    save_about(folder, About(f"Finetuned for {' x '.join(config.target().names)}", machine=machine(),
                             date=datetime.now().astimezone().isoformat(timespec="seconds"),
                             seconds=sum(seconds.values()), model=config.model))


def settings(options: Namespace, folder: RunFolder) -> FinetuneConfig:
    """Raises ConfigError without settings, RunError when the folder holds a run that is not to be continued."""
    if folder.config.exists() and not options.resume:
        raise RunError(f"{folder.path} holds a run already: add --resume to continue it, or choose another folder.")
    if options.config:
        return load_settings(options.config, options.set)
    if not options.resume:
        raise ConfigError("Give --config: a preset of assets/presets, or a run's config.yaml.")
    return changed(read_config(folder), options.set)


def words(event: Event) -> str:
    """One line on an event; none on film strips."""
    match event:
        case Started():
            return f"from step {event.first_step} to {event.total_steps}"
        case StepDone():
            figures = [f"{name} {value:.3f}" for name, value in event.losses.items()]
            figures += [f"distance {name} {value:.2f}" for name, value in event.distance.items()]
            result = f"skipped: {event.skipped}" if event.skipped else "  ".join(figures)
            return (f"step {event.step}/{event.total_steps}  {event.seconds:.1f} s  "
                    f"faces {event.faces_found}/{event.images}  {result}")
        case Saved():
            return f"saved {event.adapter}"
        case Finished():
            return f"{event.reason} at step {event.step}: {event.adapter}"
    return ""
