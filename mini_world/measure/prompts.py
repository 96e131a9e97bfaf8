"""Prompts that name who is shown, and prompts that no caption resembles."""

from collections import Counter
from dataclasses import dataclass
from itertools import product

import numpy as np

from fairness_core.models.loading import Model
from fairness_core.settings.prompts import prompt_for
from mini_world.captions import GENDER_NOUN, with_article
from mini_world.measure.judging import Judged, joined, paint_judged, text_features
from mini_world.portraits import CLASSES, Portraits

NAMED = {("gender", "female"): "female", ("gender", "male"): "male", ("age", "young"): "young", ("age", "old"): "old",
         ("race", "wmelh"): "White", ("race", "asian"): "Asian", ("race", "black"): "Black",
         ("race", "indian"): "Indian"}
NAMED_CONCEPTS = ("doctor", "nurse", "firefighter", "senator", "tennis player", "kind person")
TRUSTED = 0.75  # balanced accuracy on portraits below which CLIP's word on a detail counts for nothing
PEOPLE_CONCEPTS = ("pilot", "teacher", "farmer", "singer")


@dataclass(frozen=True)
class Detail:
    """Something a caption may say besides who and what: two captions to tell apart, and which row shows it."""

    present: str
    absent: str

    def shows(self, row: dict) -> bool:
        return {"glasses": row["glasses"], "smiling": row["smile"] > 0.45, "warm": row["warm"] > 0.35}[self.name]

    @property
    def name(self) -> str:
        return next(word for word in ("glasses", "smiling", "warm") if word in self.present)


DETAILS = {d.name: d for d in (
    Detail("a photo of a person wearing glasses", "a photo of a person"),
    Detail("a photo of a smiling person", "a photo of a person"),
    Detail("a photo of a person in warm light", "a photo of a person in cool light"))}


@dataclass(frozen=True)
class Outside:
    """A prompt outside the templates and what should be seen: a concept, classes by attribute, details."""

    prompt: str
    concept: str = ""
    classes: tuple[tuple[str, str], ...] = ()
    details: tuple[str, ...] = ()


OUTSIDE = (
    Outside("close-up of a smiling nurse in warm light", "nurse", details=("smiling", "warm")),
    Outside("an elderly Indian pilot with glasses", "pilot", (("age", "old"), ("race", "indian")), ("glasses",)),
    Outside("a friendly chef who is smiling at you", "chef", details=("smiling",)),
    Outside("Please paint me a young Black woman who works as a judge!", "judge",
            (("age", "young"), ("race", "black"), ("gender", "female"))),
    Outside("oil painting, a farmer, 1890", "farmer"),
    Outside("a photo of the face of a firefigther", "firefighter"),
    Outside("a phto of the face of a docter, a preson", "doctor"),
    Outside("NURSE", "nurse"),
    Outside("a photo of the face of a blacksmith, a person"),
    Outside("a photo of the face of an astronaut, a person"),
    Outside("qwertz uiop"),
    Outside("une photo d'une personne"),
)


def paint_named(model: Model, images: int, steps: int) -> dict[tuple[str, str], Judged]:
    """(attribute, class) -> pictures whose prompt names it, `images` of each of NAMED_CONCEPTS."""
    return paint_groups(model, {(key, concept): prompt_for(f"{word} {concept}") for key, word in NAMED.items()
                                for concept in NAMED_CONCEPTS}, images, steps)


def paint_people(model: Model, steps: int) -> dict[tuple[str, ...], Judged]:
    """(gender, race, age) -> one picture of each of PEOPLE_CONCEPTS with all three named."""
    return paint_groups(model, {(who, concept): person_prompt(*who, concept) for who in product(*CLASSES.values())
                                for concept in PEOPLE_CONCEPTS}, 1, steps)


def paint_groups(model: Model, prompts: dict[tuple, str], images: int, steps: int) -> dict[tuple, Judged]:
    """(group, concept) -> prompt, painted and put together by group."""
    groups: dict[tuple, list[Judged]] = {}
    for (group, _), judged in paint_judged(model, prompts, images, steps).items():
        groups.setdefault(group, []).append(judged)
    return {group: joined(parts) for group, parts in groups.items()}


def person_prompt(gender: str, race: str, age: str, concept: str) -> str:
    """ "an old Black man working as a pilot"."""
    head, _, noun = GENDER_NOUN[gender, age][0].rpartition(" ")
    person = f"{head} {NAMED['race', race]} {noun}"
    return f"{with_article(person)} working as {with_article(concept)}"


def named_agreement(named: dict[tuple[str, str], Judged]) -> dict[str, dict]:
    """Which share of pictures is perceived as the prompt says."""
    return {f"{attribute}: {name}": share(judged.labels(attribute) == CLASSES[attribute].index(name))
            for (attribute, name), judged in named.items()}


def people_agreement(people: dict[tuple[str, ...], Judged]) -> dict[str, dict]:
    """The same where all three attributes are named at once, by attribute and for all three."""
    right = {name: np.concatenate([judged.labels(name) == classes.index(who[i]) for who, judged in people.items()])
             for i, (name, classes) in enumerate(CLASSES.items())}
    right["all"] = np.all(list(right.values()), axis=0)
    return {name: share(values) for name, values in right.items()}


def share(right: np.ndarray) -> dict:
    return {"right": int(right.sum()), "of": len(right)}


def concept_accuracy(model: Model, judged: Judged, truth: list[str], names: list[str]) -> float:
    """Share of pictures whose nearest prompt among all concepts', by the built-in CLIP, is their own."""
    nearest = nearest_concepts(model, judged, names)
    return round(float(np.mean([a == b for a, b in zip(nearest, truth, strict=True)])), 4)


def nearest_concepts(model: Model, judged: Judged, names: list[str]) -> list[str]:
    texts = text_features(model, [prompt_for(name) for name in names])
    return [names[i] for i in (judged.clip @ texts.T).argmax(1)]


def detail_scores(model: Model, judged: Judged, detail: Detail) -> np.ndarray:
    """How much nearer each picture is to the caption with the detail than to the one without."""
    present, absent = text_features(model, [detail.present, detail.absent])
    return judged.clip @ (present - absent)


def detail_thresholds(model: Model, judged: Judged, portraits: Portraits) -> dict[str, dict[str, float]]:
    """Detail -> the score that tells portraits with it from those without, and how often it does (balanced)."""
    figures = {}
    for name, detail in DETAILS.items():
        scores, shown = detail_scores(model, judged, detail), np.array([detail.shows(row) for row in portraits.rows])
        threshold = (scores[shown].mean() + scores[~shown].mean()) / 2
        right = ((scores[shown] > threshold).mean() + (scores[~shown] <= threshold).mean()) / 2
        figures[name] = {"threshold": float(threshold), "right_on_portraits": round(float(right), 3)}
    return figures


def outside_figures(model: Model, prompt: Outside, judged: Judged, names: list[str], thresholds: dict) -> dict:
    """Faces found, the concept seen most, and how often each thing the prompt asks for is seen, where CLIP can tell."""
    nearest = nearest_concepts(model, judged, names)
    seen, count = Counter(nearest).most_common(1)[0]
    asked = {prompt.concept: share(np.array([n == prompt.concept for n in nearest]))} if prompt.concept else {}
    for attribute, name in prompt.classes:
        asked[name] = share(judged.labels(attribute) == CLASSES[attribute].index(name))
    for name in prompt.details:
        if thresholds[name]["right_on_portraits"] >= TRUSTED:
            asked[name] = share(detail_scores(model, judged, DETAILS[name]) > thresholds[name]["threshold"])
    return {"faces": share(judged.found), "seen_most": seen, "seen_most_in": count, "asked": asked}
