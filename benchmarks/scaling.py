"""How an iteration grows with images, sampling steps, image size, attributes and GPUs, for Stable Diffusion 1.5.

python -m benchmarks.scaling
Nothing is downloaded: the networks are built on torch's meta device from their published sizes, and their
floating-point operations counted (a multiply-add is two). Seconds follow from them by the assumptions that the table
states; the transport is measured, on one core of this machine.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model

from benchmarks.published import MICRO_BATCH
from fairness_core.report import markdown_table
from fairness_core.settings.attributes import parity
from fairness_core.training.transport import transport_targets

PEAK = {"A100": 312e12, "H100": 989e12}  # dense 16-bit operations a second, by the maker's data sheets
PUBLISHED_SECONDS, PUBLISHED_GPUS, PUBLISHED_IMAGES, PUBLISHED_STEPS = 22.0, 2, 24, 21  # two A100, gender alone
PUBLISHED_ITERATIONS = 10_000
KEPT_TIMESTEPS = 0.3  # share of the sampling steps that carry gradient in the engine's default
TOKENS, WIDTH, LATENT_SCALE = 77, 768, 8


@dataclass(frozen=True)
class Costs:
    """Operations for one image: of a forward pass, and of the backward pass to what carries gradient."""

    unet: int  # one call, one image: guidance takes two
    unet_backward: int
    decoder: int
    decoder_backward: int
    encoders: int
    encoders_backward: int
    text_encoder: int
    text_encoder_backward: int


@dataclass(frozen=True)
class Case:
    """images: N; steps: T; size: pixels; gpus: the images are split evenly."""

    images: int = 24
    steps: int = 20
    size: int = 512
    gpus: int = 1


# ---------------------------------------------------------------- the networks, without weights

def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build().eval().requires_grad_(False)


@cache
def unet() -> nn.Module:
    return on_meta(lambda: UNet2DConditionModel(
        sample_size=64, cross_attention_dim=WIDTH, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
        attention_head_dim=8))


@cache
def vae() -> nn.Module:
    return on_meta(lambda: AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4))


@cache
def text_encoder() -> nn.Module:
    return on_meta(lambda: CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=WIDTH, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        max_position_embeddings=TOKENS)))


@cache
def encoders() -> tuple[nn.Module, nn.Module]:
    """CLIP ViT-H/14 and DINOv2 ViT-B/14."""
    clip = CLIPVisionConfig(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16,
                            image_size=224, patch_size=14)
    dino = Dinov2Config(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, image_size=224, patch_size=14)
    return on_meta(lambda: CLIPVisionModel(clip)), on_meta(lambda: Dinov2Model(dino))


def count(forward: Callable[[], Tensor]) -> tuple[int, int]:
    """Operations of the forward and of the backward pass, on the meta device."""
    with FlopCounterMode(display=False) as counter:
        output = forward()
    with FlopCounterMode(display=False) as backward:
        output.backward(torch.empty_like(output))
    return counter.get_total_flops(), backward.get_total_flops()


def leaf(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta", requires_grad=True)


@cache
def count_costs(size: int) -> Costs:
    """One image of size x size pixels. Gradient goes to prompt embeddings, latents, pixels and word embeddings."""
    latent = size // LATENT_SCALE
    still = torch.empty(1, 4, latent, latent, device="meta")
    timestep = torch.zeros(1, device="meta")
    unet_costs = count(lambda: unet()(still, timestep, encoder_hidden_states=leaf(1, TOKENS, WIDTH)).sample)
    decoder_costs = count(lambda: vae().decode(leaf(1, 4, latent, latent)).sample)
    encoder_costs = [count(lambda: encoder(leaf(1, 3, 224, 224)).last_hidden_state) for encoder in encoders()]
    return Costs(*unet_costs, *decoder_costs, *(sum(c) for c in zip(*encoder_costs)), *count(encode_prompt))


def encode_prompt() -> Tensor:
    """The word embeddings carry gradient, so that the backward pass goes through every layer, as to a LoRA."""
    text_encoder().get_input_embeddings().weight.requires_grad_(True)
    return text_encoder()(torch.zeros(1, TOKENS, dtype=torch.long, device="meta")).last_hidden_state


# ---------------------------------------------------------------- one iteration

def published(case: Case, costs: Costs) -> int:
    """Operations of one iteration: three samplings, a fourth for the checkpoints, backward through all steps."""
    each = (4 * sampling(case.steps, costs) + 2 * case.steps * costs.unet_backward
            + judging(costs, decodings=3, encodings=2))
    return case.images * each + 2 * math.ceil(case.images / MICRO_BATCH) * (3 * costs.text_encoder
                                                                            + costs.text_encoder_backward)


def engine(case: Case, costs: Costs, kept: int, originals: bool) -> int:
    """Operations of one iteration with `kept` timesteps carrying gradient; originals: painted in this iteration."""
    each = (1 + originals) * sampling(case.steps, costs) + 2 * kept * (costs.unet + costs.unet_backward) \
        + judging(costs, decodings=2 + originals, encodings=1 + originals)
    return case.images * each + 2 * ((1 + originals) * costs.text_encoder + costs.text_encoder_backward)


def sampling(steps: int, costs: Costs) -> int:
    return 2 * steps * costs.unet


def judging(costs: Costs, decodings: int, encodings: int) -> int:
    """Decoder and image encoders; the faces' networks are hundreds of times smaller and left out.

    Both ways decode the tuned images twice: the transport needs them all, then a few at a time carry gradient.
    """
    return (decodings * costs.decoder + costs.decoder_backward
            + encodings * costs.encoders + costs.encoders_backward)


def ways(case: Case) -> dict[str, int]:
    """Operations of one iteration by way, on all GPUs together."""
    costs = count_costs(case.size)
    kept = max(1, round(KEPT_TIMESTEPS * case.steps))
    return {"published": published(case, costs), "engine, new originals": engine(case, costs, case.steps, True),
            "engine, all timesteps": engine(case, costs, case.steps, False),
            "engine, as tuned": engine(case, costs, kept, False)}


def utilisation() -> float:
    """Share of two A100s' peak that the published 22 seconds an iteration amount to."""
    case = Case(PUBLISHED_IMAGES, PUBLISHED_STEPS)
    return ways(case)["published"] / (PUBLISHED_GPUS * PEAK["A100"] * PUBLISHED_SECONDS)


def seconds(operations: int, case: Case, gpu: str = "H100") -> float:
    """At the published code's utilisation. The GPU with the most images decides."""
    largest_share = math.ceil(case.images / case.gpus) / case.images
    return operations * largest_share / (PEAK[gpu] * utilisation())


def transport_milliseconds(images: int, attributes: tuple[str, ...]) -> float:
    """Fastest of five, processor time."""
    target, rng = parity(*attributes), np.random.default_rng(0)
    probabilities = {a.name: rng.dirichlet(np.ones(len(a.classes)), images) for a in target.attributes}
    spent = []
    for _ in range(5):
        began = time.process_time()
        transport_targets(probabilities, target, rng=rng)
        spent.append(1000 * (time.process_time() - began))
    return min(spent)


# ---------------------------------------------------------------- the tables

CASES = [Case(), Case(images=32), Case(images=40), Case(steps=10), Case(steps=50), Case(size=768),
         Case(gpus=2), Case(gpus=4), Case(gpus=8)]
TRANSPORTS = [(24, ("gender",)), (32, ("race",)), (32, ("gender", "race")), (40, ("gender", "race", "age"))]


def compute() -> dict:
    cases = []
    for case in CASES:
        operations = ways(case)
        cases.append(asdict(case) | {"operations": operations,
                                     "seconds": {way: seconds(n, case) for way, n in operations.items()}})
    transports = [{"images": n, "attributes": names, "joint_classes": parity(*names).joint.size,
                   "milliseconds": transport_milliseconds(n, names)} for n, names in TRANSPORTS]
    first = cases[0]["seconds"]
    return {"utilisation": utilisation(), "costs": {size: asdict(count_costs(size)) for size in (512, 768)},
            "cases": cases, "transport": transports,
            "hours_for_published_iterations": {way: PUBLISHED_ITERATIONS * s / 3600 for way, s in first.items()}}


def as_markdown(result: dict) -> str:
    names = list(result["cases"][0]["seconds"])
    rows = [[str(c["images"]), str(c["steps"]), str(c["size"]), str(c["gpus"]),
             *(f"{c['operations'][n] / 1e15:.2f} / {c['seconds'][n]:.1f}" for n in names)] for c in result["cases"]]
    hours = ", ".join(f"{name} {value:.1f} h" for name, value in result["hours_for_published_iterations"].items())
    transports = [[str(t["images"]), " x ".join(t["attributes"]), str(t["joint_classes"]), f"{t['milliseconds']:.1f}"]
                  for t in result["transport"]]
    return "\n".join([
        markdown_table(["N", "T", "pixels", "GPUs", *(f"{n}: PFLOP / s" for n in names)], rows), "",
        "Computed, not measured: no GPU takes part. Operations: counted on Stable Diffusion 1.5's U-Net, decoder and "
        "text encoder, CLIP ViT-H/14 and DINOv2 ViT-B/14, with guidance. "
        f"Seconds: H100, {PEAK['H100'] / 1e12:.0f} TFLOP/s dense 16-bit, "
        f"at {100 * result['utilisation']:.0f} % of the peak; that share is what the published "
        f"{PUBLISHED_SECONDS:.0f} s an iteration on {PUBLISHED_GPUS} A100 ({PEAK['A100'] / 1e12:.0f} TFLOP/s) amount "
        f"to, taken for {PUBLISHED_IMAGES} images and {PUBLISHED_STEPS} steps. As tuned: {100 * KEPT_TIMESTEPS:.0f} % "
        "of the timesteps carry gradient. All timesteps, as tuned: the originals are painted already. GPUs split the "
        f"images; exchanging the LoRA's gradient is left out. "
        f"{PUBLISHED_ITERATIONS:,} iterations of the first row on one H100: {hours}.", "",
        markdown_table(["N", "attributes", "joint classes", "transport, ms (measured, one core)"], transports), ""])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for scaling.json and scaling.md")
    args = parser.parse_args(arguments)
    result = compute()
    text = as_markdown(result)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "scaling.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        (args.out / "scaling.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
