"""Which model an adapter was made for: told in its file by the names that other programs read, checked where it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairness_core.denoisers.kinds import denoiser_in

LABELS = {"stable-diffusion-v1": "Stable Diffusion 1.x", "stable-diffusion-v2": "Stable Diffusion 2.x",
          "stable-diffusion-xl": "Stable Diffusion XL", "stable-diffusion-3-medium": "Stable Diffusion 3 Medium",
          "stable-diffusion-3.5-medium": "Stable Diffusion 3.5 Medium",
          "stable-diffusion-3.5-large": "Stable Diffusion 3.5 Large", "flux-1": "FLUX.1"}
KOHYA_VERSIONS = {"stable-diffusion-v1": "sd_v1", "stable-diffusion-v2-512": "sd_v2",
                  "stable-diffusion-v2-768-v": "sd_v2_v", "stable-diffusion-xl-v1-base": "sdxl_base_v1-0"}
ARCHITECTURE, VERSION, NAME = "modelspec.architecture", "ss_base_model_version", "ss_sd_model_name"


@dataclass(frozen=True)
class BaseModel:
    """architecture: by the names of ModelSpec (github.com/Stability-AI/ModelSpec); name: the hub's id, or a short one of
    one's own. Either is empty where it is not known.
    """

    architecture: str = ""
    name: str = ""

    @property
    def kind(self) -> str:
        """What an adapter must have been made for to fit: the versions of one kind share it."""
        return next((kind for kind in LABELS if self.architecture.startswith(kind)), self.architecture)

    @property
    def label(self) -> str:
        return LABELS.get(self.kind, self.kind.replace("-", " "))


def base_of(model: Any) -> BaseModel:
    """What a fairness_core Model or a diffusers pipeline is. A pipeline's name is not known, a folder's is its last part."""
    entry = getattr(model, "entry", None)
    return BaseModel(architecture_of(model), "" if entry is None else name_of(entry))


def name_of(entry: Any) -> str:
    """What a model of the registry, or one's own, is called in files: never where it lies on this machine."""
    return entry.repo or Path(entry.folder).name or entry.name


def architecture_of(model: Any) -> str:
    """Told by the shapes of its denoiser; a text encoder alone tells it as well."""
    return denoiser_in(model).architecture(model)


def to_header(base: BaseModel, adapter: str) -> dict[str, str]:
    """A file's metadata: ModelSpec's, which diffusers' and ComfyUI's users see, and kohya's, which AUTOMATIC1111 reads.

    adapter: "lora" or "textual-inversion".
    """
    header = {"format": "pt"}
    if base.architecture:
        header |= {"modelspec.sai_model_spec": "1.0.0", ARCHITECTURE: f"{base.architecture}/{adapter}",
                   "modelspec.implementation": "diffusers",
                   "modelspec.title": f"Fairness adapter for {base.name or base.label}"}
    if base.architecture in KOHYA_VERSIONS:
        header[VERSION] = KOHYA_VERSIONS[base.architecture]
    return header | ({NAME: base.name} if base.name else {})


def from_header(header: Mapping[str, str], settings: Mapping[str, Any]) -> BaseModel:
    """What a file's metadata, or the LoRA settings in it, say; empty where they say nothing."""
    versions = {version: architecture for architecture, version in KOHYA_VERSIONS.items()}
    version = header.get(VERSION, "")
    architecture = header.get(ARCHITECTURE, "").partition("/")[0] or versions.get(version, version)
    named = (value for key, value in settings.items() if key.endswith("base_model_name_or_path") and value)
    return BaseModel(architecture, header.get(NAME) or str(next(named, "")))


def misfit(made_for: BaseModel, model: BaseModel) -> str:
    """Why an adapter does not fit, or "". What says nothing of itself is checked by its layers alone."""
    if not made_for.kind or made_for.kind == model.kind:
        return ""
    return f"was made for another model: for {made_for.label}, and this one is {model.label}."


def difference(made_for: str, model: str) -> str:
    """What people should know of an adapter that fits a model and was made for another by its name, or ""."""
    if not made_for or not model or made_for == model:
        return ""
    return (f"was made for {made_for}, and this model is {model}. It is used all the same, since both are of one kind; "
            "it may do less here, or something else.")
