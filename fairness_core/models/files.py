"""Where a model's files are: a folder, or the hub's cache. Downloads only when told to, after the licence was shown."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, RepositoryNotFoundError

from fairness_core.errors import UserError

INDEX, CARD = "model_index.json", "README.md"
PIPELINES = {"StableDiffusionPipeline": ("text_encoder", "unet", "vae"),
             "StableDiffusionXLPipeline": ("text_encoder", "text_encoder_2", "unet", "vae"),
             "StableDiffusion3Pipeline": ("text_encoder", "text_encoder_2", "text_encoder_3", "transformer", "vae"),
             "FluxPipeline": ("text_encoder", "text_encoder_2", "transformer", "vae")}
MAY_BE_LEFT_OUT = ("text_encoder_3", "tokenizer_3")  # T5, the largest of Stable Diffusion 3's encoders
DENOISERS = ("unet", "transformer")
NOT_NEEDED = ("safety_checker", "feature_extractor", "image_encoder")


class ModelError(UserError):
    """A model that cannot be used here; the message says what to do."""


@dataclass(frozen=True)
class Licence:
    """terms: what it says, in short; the text at `url` is what counts."""

    name: str = ""
    url: str = ""
    terms: str = ""


def is_repo_id(reference: str) -> bool:
    return re.fullmatch(r"[\w.-]+/[\w.-]+", reference) is not None and ".." not in reference


def cached_folder(repo: str) -> Path | None:
    """The folder of a hub model in this machine's cache, when everything the engine needs is there; asks no network."""
    index = huggingface_hub.try_to_load_from_cache(repo, INDEX)
    if not isinstance(index, str) or missing_files(Path(index).parent):
        return None
    return Path(index).parent


def read_index(folder: Path) -> dict[str, Any]:
    """A pipeline's index; empty where there is none that can be read."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def kind_of(folder: Path) -> str:
    """The class of a folder's pipeline; empty where it does not say."""
    return str(read_index(folder).get("_class_name", ""))


def missing_files(folder: Path) -> list[str]:
    """What the engine needs of a pipeline's folder and does not find there; [INDEX] when it is no such folder."""
    index = read_index(folder)
    if (kind := kind_of(folder)) not in PIPELINES:
        return [INDEX]
    parts = [part for part in PIPELINES[kind] if part not in MAY_BE_LEFT_OUT or (index.get(part) or [None])[0]]
    missing = [f"{part}/*.safetensors" for part in parts if not any((folder / part).glob("*.safetensors"))]
    settings = [f"{part}/config.json" for part in parts] + ["scheduler/scheduler_config.json"]
    return missing + [name for name in settings if not (folder / name).is_file()]


def checked_folder(folder: Path) -> Path:
    """The folder, when it is a model of a known kind with all its files. Raises ModelError that names what is wrong."""
    if not (kind := kind_of(folder)):
        raise ModelError(f"{folder.name} holds no readable {INDEX}: give the folder that diffusers' save_pretrained "
                         "wrote.")
    if kind not in PIPELINES:
        raise ModelError(f"{folder.name} is a {kind}: only Stable Diffusion 1.x, 2.x, XL, 3 and 3.5, FLUX.1, and their "
                         f"finetuned or distilled variants can be used here ({', '.join(PIPELINES)}).")
    if missing := missing_files(folder):
        raise ModelError(f"{folder.name} lacks {', '.join(missing)}: only weights in safetensors are read; download "
                         "or save the model again.")
    return folder


def left_out(folder: Path) -> dict[str, None | bool]:
    """What from_pretrained is told not to load: the parts that only a whole pipeline uses, and what was left out before."""
    index = read_index(folder)
    parts = dict.fromkeys(part for part, kind in index.items()
                          if part in NOT_NEEDED or part in MAY_BE_LEFT_OUT and kind == [None, None])
    return parts | ({"requires_safety_checker": False} if "safety_checker" in index else {})


def variant_of(folder: Path) -> str | None:
    """"fp16" when the denoiser's weights are there in half precision only; else None, the plain files."""
    files = [file for part in DENOISERS for file in (folder / part).glob("*.safetensors")]
    return None if any(".fp16." not in file.name for file in files) else "fp16"


def download(repo: str) -> Path:
    """Downloads what the engine needs of a hub model and returns its folder. Show the licence first.

    Half-precision files are taken where the hub has them. Raises ModelError in plain words when the hub cannot be
    reached, does not know the model, or asks for an account, and for a model of another kind.
    """
    names = [file.rfilename for file in ask_hub(repo).siblings or []]
    halves = [name for name in names if name.startswith(tuple(f"{part}/" for part in DENOISERS))]
    variant = "fp16" if any(".fp16.safetensors" in name for name in halves) else None
    try:
        from diffusers import DiffusionPipeline  # here: who only looks at the list of models need not wait for it
        folder = DiffusionPipeline.download(repo, variant=variant, use_safetensors=True, **dict.fromkeys(NOT_NEEDED))
        if CARD in names:
            huggingface_hub.hf_hub_download(repo, CARD)  # its licence stays with the model
    except (OSError, ValueError, HTTPError) as error:
        raise ModelError(f"{repo} cannot be downloaded: {error}") from None
    return checked_folder(Path(folder))


def ask_hub(repo: str) -> huggingface_hub.ModelInfo:
    """What the hub says about a model. Raises ModelError in plain words."""
    try:
        return huggingface_hub.model_info(repo, timeout=10)
    except GatedRepoError:
        raise ModelError(f"{repo} asks for its licence to be accepted at https://huggingface.co/{repo}: accept it "
                         "there and set HF_TOKEN.") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise ModelError(f"The hub has no model {repo!r} that you may read: check its name, or set HF_TOKEN.") from None
    except (OSError, HTTPError):
        raise ModelError(f"{repo} is not downloaded and the hub cannot be reached: connect this machine to the "
                         "internet, or bring the model's folder and give its path.") from None


def licence_of_repo(repo: str, cached: Path | None, known: Mapping[str, Licence]) -> Licence:
    """What the model's card says; asks the hub unless the card is in the cache. Raises ModelError as ask_hub does."""
    if cached and (cached / CARD).is_file():
        return licence_of_folder(cached, known)
    card = ask_hub(repo).card_data if cached is None else None
    return named_licence(getattr(card, "license", None), f"https://huggingface.co/{repo}", known)


def licence_of_folder(folder: Path, known: Mapping[str, Licence]) -> Licence:
    """What the card in the folder says."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = re.search(r"^license:\s*(\S+)", text, re.MULTILINE)
    return named_licence(found[1] if found else None, "", known)


def named_licence(name: object, page: str, known: Mapping[str, Licence]) -> Licence:
    licence = known.get(str(name), known["unknown"])
    if licence is known["unknown"]:
        return replace(licence, name=str(name) if name else licence.name, url=page)
    return licence
