"""How few sampling steps do: the same noises at several step counts."""

import numpy as np

from fairness_core.models.loading import Model
from fairness_core.settings.prompts import prompt_for
from mini_world.measure.distance import distance_and_floor
from mini_world.measure.judging import Judged, joined, paint_judged

STEPS, REFERENCE = (8, 10, 12, 20), 50


def paint_at_steps(model: Model, concepts: list[str], images: int) -> dict[int, Judged]:
    """Sampling steps -> the same pictures, `images` of each concept."""
    prompts = {concept: prompt_for(concept) for concept in concepts}
    return {steps: joined(list(paint_judged(model, prompts, images, steps).values())) for steps in (*STEPS, REFERENCE)}


def compare_steps(sets: dict[int, Judged], rendered: np.ndarray) -> dict[str, dict]:
    """Steps -> faces found, Frechet distance from rendered portraits' features, CLIP-I and equal perception against
    REFERENCE steps."""
    return {str(steps): step_figures(judged, sets[REFERENCE], rendered) for steps, judged in sets.items()}


def step_figures(judged: Judged, reference: Judged, rendered: np.ndarray) -> dict[str, float]:
    both = judged.found & reference.found
    same = [judged.seen["classifier_eval"][name][both].argmax(-1) == values[both].argmax(-1)
            for name, values in reference.seen["classifier_eval"].items()]
    return {"faces_found": round(float(judged.found.mean()), 4),
            "clip_image": round(float((judged.clip * reference.clip).sum(-1).mean()), 4),
            "same_person_perceived": round(float(np.all(same, axis=0).mean()), 3),
            **distance_and_floor(judged.features[judged.found], rendered)}
