"""Pictures -> faces -> what a classifier perceives: the audit of pictures that were made elsewhere."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.critics.faces import Faces, crop_for
from fairness_core.pictures.judge_entries import BUILT_IN_PICTURES
from fairness_core.pictures.judged import (ALL_TOGETHER, AUTO, FACES, FOLDERS, LARGEST, LISTED, NO_PROMPT,
                                           PROMPTS_FROM, TOGETHER, WRITTEN, Judged, JudgedPrompt, Progress)
from fairness_core.pictures.judges import Judge
from fairness_core.pictures.limits import LIMITS, PictureLimits, PicturesError, Skipped, Unusable
from fairness_core.pictures.prompt_lists import HOW, listed_prompts
from fairness_core.pictures.reading import Picture, read_picture, thumbnail
from fairness_core.pictures.sources import Found, Gathered, gather
from fairness_core.pictures.written_prompts import written_prompt
from fairness_core.results import ImageSet

AT_ONCE, PIXELS_AT_ONCE = 16, 4_200_000  # pictures judged together, and how large they may be together
KEPT_OF_PROMPT, KEPT, KEPT_SIDE = 24, 240, 256  # pictures that can be looked at afterwards; pixels of each side


@dataclass(frozen=True)
class Row:
    """A face that counts, or a picture without any (box and probabilities are zeros then). place: of its picture in the
    order of reading; faces: how many there are in it; small: uint8 [side, side, 3] to be looked at, or None; box in its pixels.
    """

    place: int
    file: str
    prompt: str
    found: bool
    faces: int
    box: np.ndarray
    probabilities: dict[str, np.ndarray]
    clip_text: float
    small: np.ndarray | None


@dataclass(frozen=True)
class Waiting:
    """A picture that was read, and waits until it is judged with others of its size."""

    place: int
    file: str
    prompt: str
    picture: Picture
    is_kept: bool


def judge_pictures(paths: Sequence[Path], judge: Judge, faces: str = LARGEST, prompts_from: str = AUTO,
                   should_stop: Callable[[], bool] = lambda: False,
                   limits: PictureLimits = LIMITS) -> Iterator[Progress | Judged]:
    """Yields a Progress after every few pictures, and what was judged at the end, be it after a stop.

    paths: folders, zips, pictures, and lists of prompts. faces: "largest" or "all" of a picture count. prompts_from: a key of
    PROMPTS_FROM. A picture that cannot be read is named and skipped. Raises PicturesError where nothing can be judged.
    """
    if faces not in FACES or prompts_from not in PROMPTS_FROM:
        raise PicturesError(f"Choose faces among {', '.join(FACES)}, and where prompts come from among {', '.join(PROMPTS_FROM)}.")
    gathered = gather(paths, limits)
    work = Audit(judge, faces, Prompts(gathered, prompts_from, limits))
    skipped, asked, looked = [*gathered.skipped, *work.prompts.skipped], len(gathered.pictures), 0
    yield Progress(0, asked)
    for place, found in enumerate(gathered.pictures):
        if should_stop():
            break
        looked += 1
        try:
            work.take(place, found, read_picture(found.read(), limits))
        except Unusable as error:
            skipped.append(Skipped(found.name, str(error)))
        except OSError as error:
            skipped.append(Skipped(found.name, f"cannot be read ({error.strerror or error})"))
        if looked % AT_ONCE == 0:
            yield Progress(looked, asked)
    work.finish()
    if not work.rows:
        raise PicturesError("None of the pictures could be judged. " + "; ".join(f"{s.name}: {s.why}" for s in skipped[:3]))
    yield work.judged(skipped, asked, asked - looked)


class Prompts:
    """Whose prompt comes from where. Raises PicturesError for a list that is missing, and for more prompts than could be told
    apart in a figure."""

    def __init__(self, gathered: Gathered, source: str, limits: PictureLimits):
        self.source, self.most = source, limits.prompts
        self.listed, self.skipped = ({}, []) if source in (WRITTEN, FOLDERS, TOGETHER) else (
            listed_prompts(gathered.lists, gathered.pictures))
        if source == LISTED and not self.listed:
            raise PicturesError(f"No list tells the prompts of these pictures: {HOW}, and hand it over with them.")
        self.used: Counter[str] = Counter()
        self.seen: set[str] = set()

    def of(self, found: Found, picture: Picture) -> str:
        tries = {LISTED: lambda: self.listed.get(found.name, ""), WRITTEN: lambda: written_prompt(picture.text),
                 FOLDERS: lambda: " ".join(found.folder.replace("_", " ").split())}
        for name in tries if self.source == AUTO else [self.source]:
            if prompt := tries[name]() if name in tries else "":
                return self.counted(prompt, name)
        return self.counted(ALL_TOGETHER if self.source == TOGETHER else NO_PROMPT, TOGETHER)

    def counted(self, prompt: str, name: str) -> str:
        self.used[name] += 1
        self.seen.add(prompt)
        if len(self.seen) > self.most:
            raise PicturesError(f"There are more than {self.most} different prompts, and a share needs several pictures of "
                                "each: take the names of folders for prompts, or all pictures together.")
        return prompt


class Audit:
    """Reads on the way in, judges pictures of one size together, and puts rows in order at the end."""

    def __init__(self, judge: Judge, faces: str, prompts: Prompts):
        self.judge, self.faces, self.prompts = judge, faces, prompts
        self.waiting: dict[tuple[int, ...], list[Waiting]] = defaultdict(list)
        self.rows: list[Row] = []
        self.kept: Counter[str] = Counter()
        self.texts: dict[str, Tensor] = {}
        self.foreign = 0

    def take(self, place: int, found: Found, picture: Picture) -> None:
        prompt, shape = self.prompts.of(found, picture), picture.pixels.shape
        self.foreign += picture.size != BUILT_IN_PICTURES
        is_kept = self.kept[prompt] < KEPT_OF_PROMPT and (self.kept.total() < KEPT or not self.kept[prompt])
        self.kept[prompt] += is_kept
        self.waiting[shape].append(Waiting(place, found.name, prompt, picture, is_kept))
        if len(self.waiting[shape]) >= max(min(AT_ONCE, PIXELS_AT_ONCE // (shape[0] * shape[1])), 1):
            self.rows += self.look(self.waiting.pop(shape))
        elif sum(map(len, self.waiting.values())) >= 4 * AT_ONCE:  # pictures of many sizes: nobody waits for long
            self.finish()

    def finish(self) -> None:
        for shape in list(self.waiting):
            self.rows += self.look(self.waiting.pop(shape))

    @torch.no_grad()
    def look(self, batch: Sequence[Waiting]) -> Iterator[Row]:
        """The rows of pictures of one shape."""
        pixels = torch.from_numpy(np.stack([one.picture.pixels for one in batch])).to(self.judge.device)
        images = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
        found = self.judge.find(images)
        counted = [one.rows(slice(0, 1)) if self.faces == LARGEST else one for one in found]
        owners = torch.tensor([i for i, one in enumerate(counted) for _ in one.found], dtype=torch.long)
        probabilities = self.classify(images, owners, counted) if len(owners) else {}
        likeness = self.likeness(images, [one.prompt for one in batch])
        row = 0
        for i, one in enumerate(batch):
            small, scale, corner = thumbnail(one.picture.pixels, KEPT_SIDE)
            for box in counted[i].boxes.cpu().numpy() if len(counted[i].found) else [None]:
                has_face = box is not None
                seen = {name: p[row] if has_face else np.zeros(len(self.judge.classifier.heads_config[name]), np.float32)
                        for name, p in (probabilities or self.judge.classifier.heads_config).items()}
                row += has_face
                yield Row(one.place, one.file, one.prompt, has_face, len(found[i].found),
                          box * scale + np.tile(corner, 2) if has_face else np.zeros(4), seen, likeness[i],
                          small if one.is_kept else None)

    def classify(self, images: Tensor, owners: Tensor, counted: Sequence[Faces]) -> dict[str, np.ndarray]:
        """[faces, classes] by attribute."""
        faces = Faces.joined([one for one in counted if len(one.found)])
        crops = crop_for(self.judge.classifier, images[owners.to(images.device)], faces)
        return {name: p.cpu().numpy() for name, p in self.judge.classifier.probabilities(crops).items()}

    def likeness(self, images: Tensor, prompts: Sequence[str]) -> list[float]:
        """CLIP-T of each picture; NaN where it has no prompt, or the judge no CLIP."""
        if self.judge.clip is None:
            return [float("nan")] * len(images)
        for prompt in set(prompts) - set(self.texts):
            self.texts[prompt] = self.judge.text_features([prompt])
        told = F.cosine_similarity(self.judge.clip(images).float(), torch.cat([self.texts[p] for p in prompts]).float(), dim=-1)
        return [float("nan") if p in (NO_PROMPT, ALL_TOGETHER) else t for p, t in zip(prompts, told.tolist())]

    def judged(self, skipped: Sequence[Skipped], asked: int, left: int) -> Judged:
        by_prompt: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: row.place):
            by_prompt[row.prompt].append(row)
        return Judged(self.judge.entry, self.faces, tuple(judged_prompt(prompt, rows) for prompt, rows in by_prompt.items()),
                      dict(self.prompts.used), tuple(skipped), self.foreign, asked, left)


def judged_prompt(prompt: str, rows: Sequence[Row]) -> JudgedPrompt:
    shown = [row.small for row in rows if row.small is not None]
    images = ImageSet(prompt, tuple(range(len(rows))), np.stack(shown), np.array([row.found for row in rows]),
                      np.stack([row.box for row in rows]),
                      {name: np.stack([row.probabilities[name] for row in rows]) for name in rows[0].probabilities})
    faces = {row.place: row.faces for row in rows}
    return JudgedPrompt(images, tuple(row.file for row in rows), len(faces), sum(n > 1 for n in faces.values()),
                        np.array([row.clip_text for row in rows]))
