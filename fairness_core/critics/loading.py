"""Critics from a folder: the built-in model's own, or those that a critics.yaml names."""

import logging
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from fairness_core.critics.built_in import FaceNetwork
from fairness_core.critics.classifiers import load_classifiers
from fairness_core.critics.encoders import load_clip, load_pooled
from fairness_core.critics.face_recognition import build_face_bank, load_facenet
from fairness_core.critics.faces import MtcnnDetector
from fairness_core.critics.hub import inside, locate
from fairness_core.critics.protocols import Critics, CriticsError
from fairness_core.hardware.memory import keep_on_cpu
from fairness_core.settings.questions import load_questions

CRITICS_FILE = "critics.yaml"


@dataclass(frozen=True)
class CriticsChoice:
    """A critics.yaml: every name is a folder or file beside it, or a repository of the hub ("owner/name@revision").

    clip, dino, classifier: trained against. measuring_clip, measuring_dino: larger ones that only measure, and whose
    weights wait in the computer's memory meanwhile; left out, the same measure. evaluator: classifiers that only
    measure. classifier, evaluator: see load_classifiers. face_weights: of InceptionResnetV1; portraits: a folder of
    pictures that show what real faces look like.
    """

    folder: Path
    clip: str
    dino: str
    classifier: dict
    evaluator: dict
    face_weights: str
    portraits: str
    measuring_clip: str = ""
    measuring_dino: str = ""


def read_choice(path: Path) -> CriticsChoice:
    """Raises CriticsError for a file that is missing, not YAML, or lacks an entry or has one too many."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise CriticsError(f"{path} cannot be read: copy assets/critics.yaml there and change it.") from None
    known = {f.name: f.default for f in fields(CriticsChoice) if f.name != "folder"}
    data = data if isinstance(data, dict) else {}
    if unknown := set(data) - set(known):
        raise CriticsError(f"{path.name}: unknown entry {min(unknown, key=str)!r}: choose among {', '.join(known)}.")
    for name, default in known.items():
        kind = dict if name in ("classifier", "evaluator") else str
        if not isinstance(data.get(name, default), kind):
            raise CriticsError(f"{path.name}: write {name}: {'{attribute: model, ...}' if kind is dict else 'a name'}.")
    return CriticsChoice(path.parent, **data)


def load_critics(path: Path, device: torch.device) -> Critics:
    """The critics of a critics.yaml, or of a folder that holds one; or those of the built-in model, which are
    clip/, dino/, tokenizer/, classifier/, classifier_eval/ and face_bank.safetensors below `path`. All are frozen.

    Raises CriticsError or TensorFileError for what is missing or cannot be used.
    """
    file = path / CRITICS_FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        return built_in_critics(path, device)
    return chosen_critics(read_choice(file), device)


def built_in_critics(folder: Path, device: torch.device) -> Critics:
    clip, dino = load_clip(folder / "clip", folder / "tokenizer").to(device), load_pooled(folder / "dino").to(device)
    classifier, evaluator = (FaceNetwork.from_pretrained(folder / name).to(device).eval().requires_grad_(False)
                             for name in ("classifier", "classifier_eval"))
    bank = load_file(folder / "face_bank.safetensors")["embeddings"].float().to(device)
    return Critics(MtcnnDetector(device), classifier, evaluator, classifier, bank, {"clip": clip, "dino": dino},
                   clip.text_features, measuring_faces=evaluator, questions=load_questions("built_in"))


def chosen_critics(choice: CriticsChoice, device: torch.device) -> Critics:
    """What costs least is checked first: the files of the user's own, before anything is downloaded."""
    detector = MtcnnDetector(device)
    embedder = load_facenet(inside(choice.folder, choice.face_weights, "face_weights")).to(device)
    bank = build_face_bank(inside(choice.folder, choice.portraits, "portraits"), detector, embedder, device)
    if bank.without_face:
        logging.getLogger(__name__).warning("No face found in %s: left out.", ", ".join(bank.without_face))
    classifier = load_classifiers(choice.classifier, choice.folder, "classifier").to(device)
    evaluator = load_classifiers(choice.evaluator, choice.folder, "evaluator").to(device)
    encoders = {"clip": load_clip(locate(choice.clip, choice.folder, "clip")).to(device),
                "dino": load_pooled(locate(choice.dino, choice.folder, "dino")).to(device)}
    measuring = dict(encoders)
    if choice.measuring_clip:
        measuring["clip"] = load_clip(locate(choice.measuring_clip, choice.folder, "measuring_clip"))
        keep_on_cpu(measuring["clip"], device)
    if choice.measuring_dino:
        measuring["dino"] = load_pooled(locate(choice.measuring_dino, choice.folder, "measuring_dino"))
        keep_on_cpu(measuring["dino"], device)
    return Critics(detector, classifier, evaluator, embedder, bank.embeddings, encoders,
                   measuring["clip"].text_features, measuring, questions=load_questions("photographs"))
