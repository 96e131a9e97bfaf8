"""generate: images as PNG files, and one contact sheet a prompt."""

import re
from argparse import Namespace

from PIL import Image

from fairness_core.annotate import contact_sheet
from fairness_core.commands.common import DONE, INTERRUPTED, loaded, ready_folder, stoppable, tell_of_adapter
from fairness_core.commands.evaluate import what_to_measure
from fairness_core.evaluation.compare import generate
from fairness_core.models.tokenizers import check_prompts
from fairness_core.settings.prompts import parse_prompts

LONGEST_STEM, COLUMNS = 60, 4


def run(options: Namespace) -> int:
    config, adapter = what_to_measure(options)
    prompts = list(dict.fromkeys(prompt for text in options.prompt for prompt in parse_prompts(text) or [""]))
    check_prompts(config.model, prompts)
    ready_folder(options.out)
    model = loaded(config.model, options.memory)
    tell_of_adapter(adapter, model.entry)
    with stoppable("after this prompt; what was painted is kept.") as should_stop:
        painted = generate(model, prompts, range(options.images), config.seed, adapter, options.strength,
                           sampling_steps=config.steps_shown, guidance_scale=config.guidance_scale)
        for place, (prompt, images) in enumerate(painted, 1):
            stem = f"{place:02d}-{file_stem(prompt)}"
            for number, image in enumerate(images):
                Image.fromarray(image).save(options.out / f"{stem}-{number:03d}.png")
            sheet = options.out / f"{stem}.png"
            Image.fromarray(contact_sheet(images, COLUMNS)).save(sheet)
            print(f"wrote {sheet} and its {len(images)} images", flush=True)
            if should_stop():
                return INTERRUPTED
    return DONE


def file_stem(prompt: str) -> str:
    """Letters, digits and hyphens of the prompt: never a path."""
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:LONGEST_STEM]
