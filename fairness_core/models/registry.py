"""Which models can be used, what each needs, and whether it can be used here. Data: assets/models.yaml."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from fairness_core.hardware.memory import gpu_gigabytes, too_little
from fairness_core.models import files as model_files
from fairness_core.models.files import Licence, ModelError
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.presets import FOLDER as PRESETS
from fairness_core.settings.presets import Preset, load_presets

CUSTOMARY = {"StableDiffusion3Pipeline": {"sampling_steps": 28, "guidance_scale": 7.0},
             "FluxPipeline": {"sampling_steps": 28, "guidance_scale": 3.5, "dtype": "bfloat16", "resolution": 1024}}


@dataclass(frozen=True)
class ModelEntry:
    """A row of the registry. `unavailable` says in plain words why it cannot be used here, or is empty.

    folder: below assets/, or absolute; or repo: an id on the Hugging Face hub.
    licence: what it may be used for, to be shown before a download of download_gb. resolution: of the images, in
    pixels (0: not known before it is loaded). dtype: of its files; "float32" keeps the weights so on a GPU as well.
    compare_gb, finetune_gb: GPU memory needed (0: none, or not known), to finetune by the way that takes least.
    scheduler: the solver to use instead of the model's own. needs_download: its files are not here yet.
    cannot_finetune: in plain words, or empty. languages: that its prompts may be in, as "en".
    """

    name: str
    label: str
    note: str
    folder: str
    sampling_steps: int
    guidance_scale: float
    unavailable: str = ""
    repo: str = ""
    licence: Licence = Licence()
    download_gb: float = 0.0
    resolution: int = 0
    dtype: str = "float32"
    scheduler: str = ""
    compare_gb: float = 0.0
    finetune_gb: float = 0.0
    needs_download: bool = False
    cannot_finetune: str = ""
    languages: tuple[str, ...] = ("en",)

    @property
    def path(self) -> Path | None:
        """The folder of its files; None when they are not here."""
        return ASSETS / self.folder if self.folder else model_files.cached_folder(self.repo)


def available_models() -> list[ModelEntry]:
    """The registry's rows, in order, each saying whether it can be used on this machine. Asks no network."""
    rows = yaml.safe_load((ASSETS / "models.yaml").read_text(encoding="utf-8"))
    return [entry_of_row(name, row) for name, row in rows.items()]


def entry_of_row(name: str, row: dict) -> ModelEntry:
    here = gpu_gigabytes()
    row = {"folder": "", **row, "licence": licences()[row["licence"]]}
    if row["folder"]:
        row["unavailable"] = missing_part(row["folder"])
    else:
        row["unavailable"] = too_little(row["compare_gb"], here)
        row["needs_download"] = model_files.cached_folder(row["repo"]) is None
    cannot_finetune = row["unavailable"] or too_little(row.get("finetune_gb", 0), here)
    return ModelEntry(name=name, cannot_finetune=cannot_finetune, **row)


def missing_part(folder: str) -> str:
    if (ASSETS / folder / model_files.INDEX).exists():
        return ""
    return f"assets/{folder} is missing: check out the repository whole."


@cache
def licences() -> dict[str, Licence]:
    """By the names that the hub gives them."""
    rows = yaml.safe_load((ASSETS / "licences.yaml").read_text(encoding="utf-8"))
    return {name: Licence(**row) for name, row in rows.items()}


def entry_for(reference: str) -> ModelEntry:
    """A name of the registry, the folder of a diffusers Stable Diffusion or FLUX, or a hub id such as "owner/name".

    Asks the hub for the licence of an id that is neither in the registry nor here.
    Raises ModelError for anything else.
    """
    entries = {entry.name: entry for entry in available_models()}
    by_repo = {entry.repo: entry for entry in entries.values() if entry.repo}
    if known := entries.get(reference) or by_repo.get(reference):
        return known
    folder = Path(reference).expanduser()
    if (folder / model_files.INDEX).is_file():
        return own_entry(reference, folder.resolve().name, folder=str(folder.resolve()),
                         licence=model_files.licence_of_folder(folder, licences()), **customary(folder))
    if folder.exists():
        raise ModelError(f"{reference} holds no {model_files.INDEX}: give the folder that diffusers' save_pretrained "
                         "wrote, with unet/ or transformer/, vae/, text_encoder/, tokenizer/ and scheduler/ in it.")
    if not model_files.is_repo_id(reference):
        raise ModelError(f"Unknown model {reference!r}: choose among {', '.join(entries)}, or give the folder or the "
                         "Hugging Face id (owner/name) of a Stable Diffusion in diffusers' format.")
    cached = model_files.cached_folder(reference)
    licence = model_files.licence_of_repo(reference, cached, licences())
    return own_entry(reference, reference, repo=reference, licence=licence, needs_download=cached is None,
                     **customary(cached))


def own_entry(name: str, label: str, **known: object) -> ModelEntry:
    """A model that the registry does not know, with Stable Diffusion's customary settings where nothing else is known."""
    settings = {"folder": "", "sampling_steps": 20, "guidance_scale": 7.5, "dtype": "float16"} | known
    return ModelEntry(name=name, label=label, note="A model of your own choice.", **settings)


def customary(folder: Path | None) -> dict[str, object]:
    """Settings of a model of one's own, by its kind: what diffusers' pipelines take where nothing is said."""
    return CUSTOMARY.get(model_files.kind_of(folder), {}) if folder else {}


def languages_of(model: str) -> tuple[str, ...]:
    """What prompts may be in; English for a model that the registry does not know."""
    return next((tuple(row.languages) for row in available_models() if model in (row.name, row.repo)), ("en",))


def usable_presets(models: Iterable[ModelEntry], kind: str, folder: Path = PRESETS) -> list[Preset]:
    """The presets of one kind whose model can be used here, in the order of load_presets."""
    usable = {model.name for model in models if not model.unavailable}
    return [preset for preset in load_presets(folder) if preset.kind == kind and preset.config.model in usable]
