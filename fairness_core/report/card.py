"""The README of an adapter's repository."""

from collections.abc import Sequence

import yaml

from fairness_core.about import About
from fairness_core.adapters.files import LORA_FILE, TOKEN, TOKENS_FILE
from fairness_core.report.settings import settings_rows, target_rows
from fairness_core.report.table import READING, markdown_table, printed
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig


def model_source(name: str) -> str:
    """Where from_pretrained finds a model of the registry; any other name is a repository or folder already."""
    registry = yaml.safe_load((ASSETS / "models.yaml").read_text(encoding="utf-8"))
    return f"assets/{registry[name]['folder']}" if name in registry else name


def model_card(config: FinetuneConfig, table: Sequence[dict], about: About) -> str:
    """The README of an adapter's repository, in Markdown with front matter."""
    matter = {"library_name": "diffusers", "pipeline_tag": "text-to-image",
              "tags": ["text-to-image", TAGS.get(config.tune, "lora"), "diffusers", "fairness"], "base_model": about.model}
    source = model_source(about.model)
    if source != about.model:
        del matter["base_model"]  # the registry's names mean nothing on a hub
    prompt = config.prompts[0] if config.prompts else "a photo of the face of a nurse, a person"
    what, loading, written = ADAPTERS[config.tune]
    machine = f" on {about.machine}" if about.machine else ""
    origin = f"The figures were recorded beforehand{machine}. " if about.recorded else ""
    return CARD.format(
        matter=yaml.safe_dump(matter, sort_keys=False).strip(), title=about.title, model=about.model, source=source,
        note=about.note, target=markdown_table(["Attribute", "Class", "Target"], target_rows(config)),
        what=what, loading=loading, prompt=repr(written + prompt), steps=config.steps_shown,
        guidance=config.guidance_scale, origin=origin, reading=READING,
        measures=markdown_table(*printed(table)) if table else "Nothing was compared yet.",
        settings=markdown_table(["Setting", "Value"], settings_rows(config)))


TAGS = {"tokens": "textual_inversion"}
LOAD_LORA = f'''pipeline.load_lora_weights(".", weight_name="{LORA_FILE}", adapter_name="fairness")
pipeline.set_adapters("fairness", 1.0)  # strength: 0 is the original model'''
LOAD_TOKENS = f'pipeline.load_textual_inversion("{TOKENS_FILE}", token="{TOKEN}")'
# tune -> what the adapter is, how a pipeline loads it, what is written before a prompt
ADAPTERS = {
    "text_encoder": ("A LoRA adapter for the text encoder", LOAD_LORA, ""),
    "unet": ("A LoRA adapter for the U-Net", LOAD_LORA, ""),
    "both": ("A LoRA adapter for the text encoder and the U-Net", LOAD_LORA, ""),
    "tokens": ("Soft tokens, written before a prompt, for the text encoder", LOAD_TOKENS, f"{TOKEN} "),
}

CARD = """---
{matter}
---
# {title}

{what} of `{model}`. It was finetuned so that the attributes *perceived* in generated
faces follow the target below, while the rest of the picture stays as it was. {note}

{target}

## Use

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("{source}")
{loading}
image = pipeline({prompt}, num_inference_steps={steps}, guidance_scale={guidance}).images[0]
```

## Measures

{origin}{reading}

{measures}

CLIP-T is the similarity of prompt and image; CLIP-I and DINO compare each image with the original model's image of the
same noise.

## Limits

- The attributes are perceived by a classifier, in coarse classes that cannot express how people identify; a person's
  gender, race or age cannot be read from a face.
- A target met on average over prompts may be missed on single prompts, and prompts unlike the ones trained on may
  behave as before: measure yours.
- The classifier errs, and the adapter was trained against one: measure with another before relying on a figure.
- Prompts that name a gender, race or age should be checked: they are meant to be obeyed.
- A distribution of faces is one aspect of fairness. Which target is right is for those concerned to decide.

## Settings

{settings}

Method: Shen, Du, Pang, Lin, Wong, Kankanhalli, *Finetuning Text-to-Image Diffusion Models for Fairness*, ICLR 2024,
arXiv 2311.07604.
"""
