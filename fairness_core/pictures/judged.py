"""What was seen in pictures made elsewhere, as plain data: plots, tables and reports read it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.pictures.judge_entries import JudgeEntry
from fairness_core.pictures.limits import Skipped
from fairness_core.results import ImageSet

LARGEST, ALL = "largest", "all"
FACES = {LARGEST: "the largest face of each picture", ALL: "every face of each picture"}
AUTO, LISTED, WRITTEN, FOLDERS, TOGETHER = "auto", "list", "written", "folders", "together"
PROMPTS_FROM = {AUTO: "a list where there is one, else what is written in the picture, else its folder's name",
                LISTED: "a list (CSV, JSON)", WRITTEN: "what is written in the picture (AUTOMATIC1111, ComfyUI)",
                FOLDERS: "the names of folders", TOGETHER: "none: all pictures together"}
NO_PROMPT = "pictures without a prompt"
ALL_TOGETHER = "all pictures"


@dataclass(frozen=True)
class JudgedPrompt:
    """The pictures of one prompt. images: one row a face that counts, or a picture without any; see `ImageSet`.

    files: whose picture each row is, [n] names; pictures: how many they are; several: in how many of these there are
    several faces; clip_text: cosine of prompt and picture [n], NaN where that was not measured.
    """

    images: ImageSet
    files: tuple[str, ...]
    pictures: int
    several: int
    clip_text: np.ndarray

    @property
    def prompt(self) -> str:
        return self.images.prompt


@dataclass(frozen=True)
class Judged:
    """judge: who judged. faces: "largest" or "all" of a picture count. prompts_from: how many pictures' prompts came from
    where, by key of PROMPTS_FROM. foreign: how many pictures are of another size than the built-in model's. asked: how many
    there were; left: how many of these were not looked at, where it was stopped.
    """

    judge: JudgeEntry
    faces: str
    prompts: tuple[JudgedPrompt, ...]
    prompts_from: dict[str, int]
    skipped: tuple[Skipped, ...] = ()
    foreign: int = 0
    asked: int = 0
    left: int = 0

    @property
    def image_sets(self) -> list[ImageSet]:
        return [one.images for one in self.prompts]

    @property
    def pictures(self) -> int:
        return sum(one.pictures for one in self.prompts)

    @property
    def faces_found(self) -> int:
        return sum(int(s.found.sum()) for s in self.image_sets)

    @property
    def without_face(self) -> int:
        return sum(int((~s.found).sum()) for s in self.image_sets)

    @property
    def several(self) -> int:
        return sum(one.several for one in self.prompts)

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(self.image_sets[0].probabilities) if self.prompts else ()


@dataclass(frozen=True)
class Progress:
    """done: of `total` pictures, those that were read and judged, or skipped."""

    done: int
    total: int


def warning_of(judged: Judged) -> str:
    """What must be said with the figures, or "": loud where the pictures are not the built-in model's."""
    if not judged.judge.warning:
        return ""
    loud = (f"{judged.foreign} of these {judged.pictures} pictures were not painted by the built-in model (they have another "
            "size): these figures are not to be trusted. ") if judged.foreign else ""
    return loud + judged.judge.warning


def sentence_of(judged: Judged) -> str:
    """How many pictures were judged, and how."""
    counted = (f"{judged.pictures} pictures, {judged.faces_found} faces counted ({FACES[judged.faces]}), "
               f"{judged.without_face} pictures without a face, {judged.several} with several")
    sources = ", ".join(f"{PROMPTS_FROM[name]} ({n})" for name, n in judged.prompts_from.items() if n)
    return f"{counted}. Prompts from: {sources}"


def unsure_of(image_sets: Sequence[ImageSet], attribute: str, sure: float) -> int:
    """How many faces have no class that is at least so probable."""
    return sum(int((s.probabilities[attribute][s.found].max(-1) < sure).sum()) for s in image_sets if s.found.any())
