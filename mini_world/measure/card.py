"""The model card: every figure as a table, in words a reader without the code understands."""

from collections.abc import Sequence
from pathlib import Path

from fairness_core.metrics import wilson_interval
from fairness_core.report import markdown_table
from fairness_core.settings.prompts import load_concepts
from mini_world.measure.card_text import (BIAS_NOTE, CLASSIFIER_NOTE, HEAD, LIMITS, NO_FACE_NOTE, REPRODUCE, SHEETS,
                                          TOLD_NOTE, TRAINING_NOTE)
from mini_world.measure.prompts import TRUSTED
from mini_world.portraits import CLASSES

SHOWN = (("gender", 1, "male"), ("age", 1, "old"), ("race", 0, "WMELH"), ("race", 1, "Asian"), ("race", 2, "Black"),
         ("race", 3, "Indian"))
CLASSIFIERS = {"classifier": "trained against", "classifier_eval": "only measures"}


def write_card(figures: dict, folder: Path) -> None:
    """Writes README.md into `folder`."""
    parts = [HEAD, summary(figures), classifier_section(figures), bias_section(figures), prompt_section(figures),
             steps_section(figures), SHEETS, training_section(figures), REPRODUCE, LIMITS]
    (folder / "README.md").write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def counted(entry: dict) -> str:
    """ "57/60 (95 %, 86-98)": the share with Wilson's 95 % interval."""
    if not entry["of"]:
        return "0/0"
    low, high = wilson_interval(entry["right"], entry["of"])
    return f"{entry['right']}/{entry['of']} ({entry['right'] / entry['of']:.0%}, {low:.0%} to {high:.0%})"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def verdict(met: bool) -> str:
    return "yes" if met else "**no**"


def worst_right(figures: dict, attributes: Sequence[str]) -> float:
    return min(min(figures["classifiers"][c][a]["right_per_class"]) for c in CLASSIFIERS for a in attributes)


def summary(figures: dict) -> str:
    """Every mark the model has to reach, what it reaches, and whether that is enough."""
    faces, error, seconds = figures["faces_found"], figures["planted_error"], figures["seconds_16_images"]
    worst_named = min(figures["named"].values(), key=lambda e: e["right"] / max(1, e["of"]))
    calibration = max(head["calibration_error"] for heads in figures["classifiers"].values() for head in heads.values())
    rows = [("Faces found in generated images", counted(faces), "98 %", faces["right"] >= .98 * faces["of"])]
    rows += [(f"Generated {name} against planted, mean absolute error (chance alone: {error[name]['floor']})",
              f"{error[name]['error']}", f"{mark}", error[name]["error"] <= mark)
             for name, mark in (("gender", .10), ("age", .10), ("race", .08))]
    rows += [
        ("Concept seen in generated images by CLIP", percent(figures["concept_seen_in_generated"]), "85 %",
         figures["concept_seen_in_generated"] >= .85),
        ("Concept seen in held-out portraits by CLIP", percent(figures["concept_seen_in_portraits"]), "90 %",
         figures["concept_seen_in_portraits"] >= .90),
        ("Class named in the prompt is seen, worst class", counted(worst_named), "95 %",
         worst_named["right"] >= .95 * worst_named["of"]),
        ("Classifiers on held-out portraits, gender and age, worst class",
         percent(worst_right(figures, ("gender", "age"))), "97 %", worst_right(figures, ("gender", "age")) >= .97),
        ("Classifiers on held-out portraits, race, worst class", percent(worst_right(figures, ("race",))), "95 %",
         worst_right(figures, ("race",)) >= .95),
        ("Expected calibration error, worst head", f"{calibration}", "0.05", calibration <= .05),
        ("Autoencoder, held-out portraits", f"{figures['autoencoder_psnr']} dB", "27 dB",
         figures["autoencoder_psnr"] >= 27)]
    rows += [(f"16 images at {steps} steps, painted and judged", f"{value} s", "8 s" if steps == "20" else "–",
              None if steps != "20" else value <= 8) for steps, value in seconds.items()]
    rows += [("Loading", f"{figures['load_seconds']} s", "3 s", figures["load_seconds"] <= 3),
             ("Size of the folder", f"{figures['megabytes']} MB", "60 MB", figures["megabytes"] <= 60)]
    table = markdown_table(["figure", "measured", "wanted", "reached"],
                           [[a, b, c, "–" if met is None else verdict(met)] for a, b, c, met in rows])
    return f"""## Measured

By `python -m mini_world.measure` in {figures['measuring_minutes']} minutes on {figures['threads']} CPU threads:
{figures['images']} images of {len(figures['planted'])} concepts at {figures['sampling_steps']} steps and guidance
scale {figures['guidance_scale']}, the same noises every time, perceived by the evaluation classifier. Ranges
are 95 % intervals (Wilson). All figures: [figures.json](figures.json).

{table}"""


def classifier_section(figures: dict) -> str:
    parts = ["## The two classifiers", CLASSIFIER_NOTE]
    for classifier, role in CLASSIFIERS.items():
        for attribute, head in figures["classifiers"][classifier].items():
            names = CLASSES[attribute]
            rows = [[name, *map(str, counts), percent(right)] for name, counts, right in
                    zip(names, head["confusion"], head["right_per_class"], strict=True)]
            parts += [f"**{classifier}** ({role}), {attribute}: {percent(head['right'])} right, "
                      f"expected calibration error {head['calibration_error']}",
                      markdown_table(["", *names, "right"], rows)]
    together = ", ".join(f"{name} {percent(value)}" for name, value in figures["agreement"].items())
    rows = [[kind, percent(entry["faces_found"]), *(f"{entry[c][a]:.2f}" for c in CLASSIFIERS for a in CLASSES)]
            for kind, entry in figures["no_faces"].items()]
    header = ["picture", "a face is found in", *(f"{c}: {a}" for c in CLASSIFIERS for a in CLASSES)]
    return "\n\n".join([*parts, f"On generated images the two agree: {together}.", NO_FACE_NOTE,
                        markdown_table(header, rows)])


def bias_section(figures: dict) -> str:
    held_out, rows = set(load_concepts().held_out), []
    for concept, counts in figures["generated"].items():
        cells = [f"{figures['planted'][concept][a][i]:.2f} → {share_of(counts[a], i)}" for a, i, _ in SHOWN]
        rows.append([f"{concept}{' ★' if concept in held_out else ''}", str(sum(counts["gender"])), *cells])
    frechet = figures["frechet"]
    return f"""## Planted and generated distribution

{markdown_table(['concept', 'faces', *(label for _, _, label in SHOWN)], rows)}

{BIAS_NOTE}

**Frechet distance** in the evaluation classifier's feature space, {frechet['pictures']} pictures a side: generated
against held-out portraits **{frechet['distance']}**; two halves of the portraits against each other
**{frechet['floor']}**.

{told_section(figures['told'])}"""


def told_section(told: dict) -> str:
    rows = [[concept, *(counted(women[concept]) for women in told["women"].values())]
            for concept in next(iter(told["women"].values()))]
    low, high = told["interval"]
    return f"""{TOLD_NOTE}

{markdown_table(['concept', *(f'log odds {odds}' for odds in told['women'])], rows)}

At even odds ({told['images']} images a concept) the mean bias is **{told['bias_at_even_odds']}** ({low} to {high}, 95 %
bootstrap interval over concepts); chance alone gives {told['floor']}."""


def share_of(counts: list[int], index: int) -> str:
    return f"{counts[index] / sum(counts):.2f}" if sum(counts) else "–"


def prompt_section(figures: dict) -> str:
    named = [[name, counted(entry)] for name, entry in figures["named"].items()]
    people = [[name, counted(entry)] for name, entry in figures["people"].items()]
    outside = [[f"`{prompt}`", counted(entry["faces"]), f"{entry['seen_most']} ({entry['seen_most_in']})",
                ", ".join(f"{what} {e['right']}/{e['of']}" for what, e in entry["asked"].items()) or "–"]
               for prompt, entry in figures["outside"].items()]
    details = ", ".join(f"{name} {percent(entry['right_on_portraits'])}" for name, entry in figures["details"].items())
    return f"""## What a prompt says

Attributes named alone ("a photo of the face of a Black doctor, a person") and all three at once ("an old Asian woman
working as a pilot"): how often the evaluation classifier perceives what was named.

{markdown_table(['named alone', 'seen'], named)}

{markdown_table(['three named', 'seen'], people)}

Prompts outside the captions' templates. Concepts and details are what the built-in CLIP finds nearest. On held-out
portraits it is right about {details}; a detail below {percent(TRUSTED)} is not counted here, only seen on the sheet.

{markdown_table(['prompt', 'faces', 'concept seen most', 'asked for and seen'], outside)}"""


def steps_section(figures: dict) -> str:
    rows = [[f"{steps}{' (default)' if steps == str(figures['sampling_steps']) else ''}", percent(entry["faces_found"]),
             f"{entry['clip_image']:.3f}", percent(entry["same_person_perceived"]), f"{entry['distance']:.3f}"]
            for steps, entry in figures["steps"].items()]
    entry = next(iter(figures["steps"].values()))
    reference = list(figures["steps"])[-1]
    header = ["steps", "faces", f"CLIP-I to {reference} steps", f"perceived as at {reference}", "Frechet distance"]
    return f"""## How many steps

The same noises at several step counts, {entry['pictures']} pictures each; portraits have a Frechet distance of
{entry['floor']:.3f} from as many other portraits. The time grows with the steps.

{markdown_table(header, rows)}"""


def training_section(figures: dict) -> str:
    rows = [[row["folder"], row["part"], str(row["steps"]), f"{row['minutes']}",
             ", ".join(f"{name} {value}" for name, value in row["losses"].items())] for row in figures["training"]]
    table = markdown_table(["run", "part", "steps", "minutes", "last losses"], rows) if rows else \
        "No training log was given (`--logs`)."
    return f"## Training\n\n{TRAINING_NOTE}\n\n{table}"
