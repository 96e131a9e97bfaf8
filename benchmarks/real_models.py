"""Full-size models with random weights: does a training step fit, and how long does it take?

python -m benchmarks.real_models --models sd15 sd21 sdxl sd35-medium --images 24 --out folder
Needs a GPU, and says so where there is none. Prints a Markdown table of seconds and peak memory of the second step.
python -m benchmarks.real_models --plan
Needs none: computes from the architectures what weights and the backward pass take; assets/models.yaml is from there.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from benchmarks import architectures
from benchmarks.architectures import ARCHITECTURES, Architecture, build
from benchmarks.machine import machine
from benchmarks.memory import peak_megabytes
from fairness_core.critics import Critics, load_critics
from fairness_core.critics.encoders import ClipEncoder, PooledEncoder
from fairness_core.critics.faces import Faces
from fairness_core.critics.preprocess import Preprocess
from fairness_core.denoisers.flux import T5_TOKENS
from fairness_core.hardware.memory import (CHOICES, GIGABYTE, RESERVE, Memory, Needs, choose_memory, free_gigabytes,
                                           memory_words, save_memory)
from fairness_core.hardware.needs import needs_of
from fairness_core.hardware.precision import fast_precision
from fairness_core.hardware.waiting import constant
from fairness_core.models.loading import Model, entry_for, networks_of, prepare_for_speed
from fairness_core.report import markdown_table
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig
from fairness_core.training import start as starting
from fairness_core.training import step as training

NO_GPU = ("This machine has no GPU: nothing was measured. Run it where there is one; --plan computes here what weights "
          "and the backward pass take.")
PROMPT = "a nurse's face"
T5_WIDTH = 4096
VIEW = Preprocess((224, 224), None, (0.5,) * 3, (0.5,) * 3)


class MiddleFace:
    """Random weights paint no faces: every image is said to have one in its middle."""

    def __call__(self, images: Tensor) -> Faces:
        size = images.shape[-1]
        box = constant((0.25, 0.25, 0.75, 0.75), images.device) * size
        return Faces(torch.ones(len(images), dtype=torch.bool, device=images.device), box.expand(len(images), 4))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--images", type=int, default=24, help="images a step")
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--plan", action="store_true", help="compute the memory needed instead of measuring")
    parser.add_argument("--out", type=Path, help="folder for real_models.json")
    args = parser.parse_args(arguments)
    if args.plan:
        print(as_plan({name: plan(ARCHITECTURES[name]) for name in args.models}))
        return
    if not torch.cuda.is_available():
        sys.exit(NO_GPU)
    measured = {}
    for name in args.models:
        measured[name] = measure(random_model(name, torch.device("cuda")), args.images, args.sampling_steps)
        torch.cuda.empty_cache()
    print(as_table(measured, args.images, args.sampling_steps))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"machine": machine(torch.device("cuda")), "models": measured}, indent=1)
        (args.out / "real_models.json").write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- measured

def random_model(name: str, device: torch.device, of: Architecture | None = None,
                 critics: Critics | None = None) -> Model:
    """The registry's model with random weights, as memory allows; unless given, of full size, with CLIP ViT-H/14 and
    DINOv2 ViT-B/14 as critics, random, too.
    """
    of, entry, precision = of or ARCHITECTURES[name], entry_for(name), fast_precision(device)
    free_gb, critics = free_gigabytes(device), critics or random_critics(device)
    tokenizer = CLIPTokenizer.from_pretrained(ASSETS / "mini" / "tokenizer", model_max_length=77)
    unet = build(lambda: architectures.unet(of), device, precision)
    vae = build(lambda: architectures.vae(of), device, torch.float32)
    encoder = build(lambda: architectures.text_encoder(of), device, precision)
    second = build(lambda: architectures.text_encoder_2(of), device, precision) if of.text_encoder_2 else None
    memory = Memory()
    if free_gb:
        memory = choose_memory(free_gb, needs_of(unet, vae, filter(None, (encoder, second)), networks_of(critics),
                                                 of.unet["sample_size"], precision))
    prepare_for_speed(unet, vae, device)
    save_memory(unet, vae, memory)
    return Model(entry, tokenizer, encoder, unet, vae, architectures.scheduler(of), critics, device, precision,
                 tokenizer if second else None, second, True, memory, memory_words(memory, free_gb) if free_gb else "",
                 FixedT5() if of.is_flux else None)


class FixedT5:
    """In T5's place for FLUX, which cannot do without; SD 3 reads zeros where it is left out. Reads as if it knew already."""

    def __call__(self, prompts: Sequence[str], device: torch.device) -> Tensor:
        return torch.ones(len(prompts), T5_TOKENS, T5_WIDTH, device=device) / 8


def random_critics(device: torch.device) -> Critics:
    critics = load_critics(ASSETS / "mini", device)
    clip = build(architectures.clip_huge, device, torch.float32)
    dino = build(architectures.dino_base, device, torch.float32)
    return replace(critics, detector=MiddleFace(), encoders={
        "clip": ClipEncoder(clip, VIEW, None), "dino": PooledEncoder(dino, VIEW)})


def measure(model: Model, images: int, sampling_steps: int,
            tell_first: Callable[[float], None] = lambda seconds: None) -> dict[str, float]:
    """Seconds and peak memory of the second step: the first one warms up, and `tell_first` is told its seconds."""
    config = FinetuneConfig(
        model=model.name, prompts=(PROMPT,), marginals={"gender": {"female": 0.5, "male": 0.5}},
        images_per_prompt=images, sampling_steps=sampling_steps, timesteps_per_update=0, guidance_scale=model.entry.guidance_scale, lora_rank=50,
        noise_batches=0)
    run = starting.start(model, config)
    first = training.take_step(run)
    if first.skipped:
        raise RuntimeError(f"{model.label}: {first.skipped}")
    tell_first(first.seconds)
    held = torch.cuda.memory_allocated(model.device) if model.device.type == "cuda" else 0
    started = time.perf_counter()
    work = peak_megabytes(lambda: training.take_step(run), model.device)
    return {"seconds": time.perf_counter() - started, "weights_gb": held / GIGABYTE,
            "peak_gb": (held + work * 2**20) / GIGABYTE}


def as_table(measured: dict[str, dict], images: int, sampling_steps: int) -> str:
    rows = [[ARCHITECTURES[name].label, str(ARCHITECTURES[name].resolution), *(f"{m[k]:.1f}" for k in m)]
            for name, m in measured.items()]
    on = machine(torch.device("cuda"))
    head = ["random weights", "pixels", "seconds a step", "GB held", "GB at the peak"]
    return "\n".join([markdown_table(head, rows), "",
                      f"{images} images, {sampling_steps} sampling steps, all of which carry gradient, originals painted "
                      f"in the step; {on['device']}, torch {on['torch']}."])


# ---------------------------------------------------------------- computed

def plan(of: Architecture) -> Needs:
    """Everything on the meta device: shapes without numbers."""
    meta, half = torch.device("meta"), torch.bfloat16
    encoders = [build(lambda: architectures.text_encoder(of), meta, half)]
    if of.text_encoder_2:
        encoders.append(build(lambda: architectures.text_encoder_2(of), meta, half))
    critics = [build(make, meta, torch.float32) for make in (architectures.clip_huge, architectures.dino_base)]
    unet, vae = build(lambda: architectures.unet(of), meta, half), build(lambda: architectures.vae(of), meta, torch.float32)
    return needs_of(unet, vae, encoders, critics, of.side, half)


def as_plan(plans: dict[str, Needs]) -> str:
    rows = [[ARCHITECTURES[name].label, str(ARCHITECTURES[name].resolution), *(f"{v:.1f}" for v in asdict(p).values()),
             f"{p.compare:.0f}", f"{p.finetune(CHOICES[-1]):.0f}", f"{p.finetune(CHOICES[0]):.0f}"]
            for name, p in plans.items()]
    head = ["GB, computed", "pixels", "weights", "critics", "denoiser, an image", "decoder, an image", "critics' backward",
            "to compare", "to finetune, at least", "to finetune, as fast as is"]
    return "\n".join([markdown_table(head, rows), "",
                      "Half-precision U-Net or transformer and text encoders (T5 waits on the CPU), float32 "
                      "decoder and critics (CLIP ViT-H/14, DINOv2 ViT-B/14), decoder by single images; at least: the denoiser by "
                      "single images with gradient checkpointing, critics waiting on the CPU; as fast as is: by 16; "
                      f"{RESERVE:g} times what is computed from the architectures. Not measured."])


if __name__ == "__main__":
    main()
