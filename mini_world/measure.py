"""Measures the built-in model and writes its card.

python -m mini_world.measure --portraits portraits.zip --out build --images 12   (about 5 minutes on two cores)
"""

import json
import platform
import time

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from fairness_core.annotate import contact_sheet
from fairness_core.attributes import ASSETS
from fairness_core.evaluation import paint, perceive
from fairness_core.models import Model, load_model
from fairness_core.prompts import load_concepts, prompt_for
from fairness_core.results import ImageSet
from mini_world.cli import arguments
from mini_world.loop import pick_device, use_both_cores
from mini_world.portraits import CLASSES, Portraits, as_floats, load_portraits, split
from mini_world.train_autoencoder import psnr
from mini_world.train_classifiers import accuracies, face_crops

CARD = ASSETS / "mini" / "README.md"
NAMED = {("gender", "female"): "female", ("gender", "male"): "male", ("age", "young"): "young", ("age", "old"): "old",
         ("race", "wmelh"): "White", ("race", "asian"): "Asian", ("race", "black"): "Black", ("race", "indian"): "Indian"}


def planted(portraits: Portraits) -> dict[str, dict[str, np.ndarray]]:
    """concept -> attribute -> share of each class among the rows whose captions never name it."""
    shares: dict[str, dict[str, np.ndarray]] = {}
    for concept in sorted({row["concept"] for row in portraits.rows}):
        rows = [row for row in portraits.rows if row["concept"] == concept and row["biased"]]
        shares[concept] = {name: np.array([sum(r[name] == c for r in rows) for c in classes]) / len(rows)
                           for name, classes in CLASSES.items()}
    return shares


def paint_set(model: Model, prompt: str, images: int, steps: int) -> ImageSet:
    return perceive(model.critics, prompt, range(images),
                    paint(model, prompt, range(images), 0, steps, model.entry.guidance_scale))


def clip_concept_accuracy(model: Model, sets: dict[str, ImageSet]) -> float:
    """Share of generated images whose nearest prompt, by the built-in CLIP, is their own."""
    names = list(sets)
    texts = F.normalize(model.critics.text_features([prompt_for(n) for n in names]), dim=-1)
    right = []
    for i, name in enumerate(names):
        images = torch.from_numpy(sets[name].images).permute(0, 3, 1, 2).float() / 127.5 - 1
        features = F.normalize(model.critics.encoders["clip"](images), dim=-1)
        right += ((features @ texts.T).argmax(1) == i).tolist()
    return float(np.mean(right))


def named_agreement(model: Model, steps: int) -> dict[str, float]:
    """Share of images in which the attribute named in the prompt is the one perceived, over six concepts."""
    agreement = {}
    for (attribute, name), word in NAMED.items():
        right = []
        for concept in ("doctor", "nurse", "firefighter", "senator", "tennis player", "kind person"):
            images = paint_set(model, prompt_for(f"{word} {concept}"), 6, steps)
            right += (images.labels(attribute) == CLASSES[attribute].index(name)).tolist()
        agreement[f"{attribute}: {name}"] = round(float(np.mean(right)), 3)
    return agreement


def classifier_figures(args, model: Model, held_out: Portraits) -> dict[str, dict]:
    crops, found = face_crops(held_out, args.out / "crops_held_out.pt", pick_device())
    labels = {k: held_out.labels(k)[found] for k in CLASSES}
    return {name: accuracies(network, crops[found], labels)
            for name, network in (("classifier", model.critics.classifier), ("classifier_eval", model.critics.evaluator))}


def main() -> None:
    args = arguments(images=12)
    use_both_cores()
    portraits = load_portraits(args.portraits)
    _, held_out = split(portraits)
    started = time.monotonic()
    model = load_model("mini")
    figures: dict = {"load_seconds": round(time.monotonic() - started, 2)}
    steps = model.entry.sampling_steps
    for count in dict.fromkeys((steps, 20)):
        started = time.monotonic()
        paint_set(model, prompt_for("teacher"), 16, count)
        figures[f"seconds_16_images_{count}_steps"] = round(time.monotonic() - started, 2)
    shares = planted(portraits)
    sets = {c: paint_set(model, prompt_for(c), args.images, steps) for c in shares}
    figures["images"] = sum(len(s.found) for s in sets.values())
    figures["faces_found"] = round(float(np.mean([s.found.mean() for s in sets.values()])), 4)
    for name, classes in CLASSES.items():
        errors = [np.abs(np.bincount(s.labels(name), minlength=len(classes)) / max(1, s.found.sum()) - planted_shares[name]).mean()
                  for s, planted_shares in zip(sets.values(), shares.values())]
        figures[f"planted_error_{name}"] = round(float(np.mean(errors)), 3)
    figures["concept_seen_in_generated"] = round(clip_concept_accuracy(model, sets), 3)
    figures["agreement_when_named"] = named_agreement(model, steps)
    figures["classifiers_held_out"] = classifier_figures(args, model, held_out)
    with torch.no_grad():
        truth = as_floats(held_out.images[:200])
        figures["autoencoder_psnr"] = round(psnr(model.vae.decode(model.vae.encode(truth).latent_dist.mode()).sample, truth), 2)
    print(json.dumps(figures, indent=1))
    Image.fromarray(contact_sheet([sets[c].images[i] for c in list(sets)[::3] for i in range(8)], 8)).save(
        ASSETS / "mini" / "generated.webp", quality=85)
    Image.fromarray(contact_sheet(list(held_out.images[:64].permute(0, 2, 3, 1).numpy()), 8)).save(
        ASSETS / "mini" / "rendered.webp", quality=85)
    CARD.write_text(card(figures, sets, shares, args.images))


def card(figures: dict, sets: dict[str, ImageSet], shares: dict, images: int) -> str:
    held_out = set(load_concepts().held_out)
    rows = []
    for concept, generated in sets.items():
        cells = []
        for name, index in (("gender", 1), ("age", 1), ("race", 0)):
            count = int((generated.labels(name) == index).sum())
            cells += [f"{shares[concept][name][index]:.2f}", f"{count}/{int(generated.found.sum())}"]
        rows.append(f"| {concept}{' ★' if concept in held_out else ''} | " + " | ".join(cells) + " |")
    return f"""# The built-in model

A small Stable Diffusion (text encoder, U-Net, autoencoder in diffusers' classes) that paints **synthetic people**:
128 x 128 portraits of 44 concepts. It was trained from nothing on rendered portraits whose captions, for biased rows,
never say who is shown: so it associates concepts with gender, race and age, as the large models do. That bias is the
point: it is there to be measured and removed.

**Data.** Portraits rendered with Blender's Cycles from MakeHuman's CC0 meshes and skins; no photograph of a
real person is among them. The portraits and these weights are released as CC0.

**Measured** by `python -m mini_world.measure` on {torch.get_num_threads()} CPU threads ({platform.machine()}), {figures["images"]} generated images:

```json
{json.dumps(figures, indent=1)}
```

Classifier figures are right answers per class, then over all, on held-out portraits. `planted_error` is the mean
absolute difference between generated and planted shares over classes and concepts; with {images} images a concept
chance alone gives a good part of it.

| concept | planted male | generated | planted old | generated | planted WMELH | generated |
|-|-|-|-|-|-|-|
{chr(10).join(rows)}

★ never finetuned on by the presets. "Generated" is perceived by the evaluation classifier, of the faces found.

Rendered portraits (`rendered.webp`) and generated ones (`generated.webp`):

![rendered](rendered.webp)
![generated](generated.webp)

**Limits.** Softer than the portraits it learned from; words outside its captions say little to it; attributes named in
a prompt are followed as often as the table says, not always. It stands for no real person or population.
"""


if __name__ == "__main__":
    main()
