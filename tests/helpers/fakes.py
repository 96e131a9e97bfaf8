"""Tiny, deterministic stand-ins for Stable Diffusion and its critics: the real classes, a few thousand weights, float32."""

import json
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from fairness_core.critics import Critics
from fairness_core.critics.built_in import FaceNetwork
from fairness_core.critics.faces import Faces
from fairness_core.models.loading import Model, ModelEntry
from fairness_core.sampling.denoise import noise_generator
from fairness_core.settings.attributes import load_attributes

LATENT_SHAPE = (4, 8, 8)
TOKENS, WIDTH = 24, 16
NOISE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             steps_offset=1, timestep_spacing="trailing")


def built_once(build: Callable) -> Callable:
    """Every call has a copy of its own of what was built for the same seed, and leaves torch's random numbers where
    building leaves them."""
    @cache
    def kept(*seed: int):
        return build(*seed), torch.get_rng_state()

    @wraps(build)
    def copied(*seed: int):
        built, random_state = kept(*seed)
        torch.set_rng_state(random_state)
        return deepcopy(built)
    return copied


@cache
def tiny_tokenizer() -> CLIPTokenizer:
    """One token a letter, TOKENS at most."""
    start, end = "<|startoftext|>", "<|endoftext|>"
    letters = [chr(i) for i in range(33, 127)]
    tokens = letters + [f"{letter}</w>" for letter in letters] + [start, end]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True,
            "bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end}), encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder)


@built_once
def tiny_text_encoder(seed: int = 0) -> CLIPTextModel:
    torch.manual_seed(seed)
    vocabulary = len(tiny_tokenizer())
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=TOKENS, projection_dim=WIDTH,
        bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1)).eval()


@built_once
def tiny_unet(seed: int = 0) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=LATENT_SHAPE[1], in_channels=LATENT_SHAPE[0], out_channels=LATENT_SHAPE[0],
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=WIDTH).eval()


@built_once
def tiny_vae(seed: int = 0) -> AutoencoderKL:
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=LATENT_SHAPE[0],
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2).eval()


def tiny_scheduler(kind: type = DPMSolverMultistepScheduler, **settings):
    """A scheduler with Stable Diffusion's noise schedule; the built-in model's solver by default."""
    defaults = {"prediction_type": "v_prediction"} if kind is DPMSolverMultistepScheduler else {}
    return kind(**(NOISE | defaults | settings))


def tiny_pipeline(seed: int = 0, scheduler=None) -> StableDiffusionPipeline:
    """A whole Stable Diffusion pipeline, deterministic by seed; images of 16 x 16."""
    pipeline = StableDiffusionPipeline(
        vae=tiny_vae(seed), text_encoder=tiny_text_encoder(seed), tokenizer=tiny_tokenizer(), unet=tiny_unet(seed),
        scheduler=scheduler or tiny_scheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


FACE_BOX = (3.0, 3.0, 13.0, 13.0)
FEATURES, BANK = 12, 7


@dataclass
class FixedDetector:
    """Says that every image has a face at `box`, or only those whose places in the batch `shows` accepts."""

    box: tuple[float, float, float, float] = FACE_BOX
    shows: Callable[[int], bool] = lambda place: True

    def __call__(self, images: Tensor) -> Faces:
        found = torch.tensor([self.shows(place) for place in range(len(images))])
        return Faces(found, torch.tensor(self.box).expand(len(images), 4) * found[:, None])


def no_faces() -> FixedDetector:
    return FixedDetector(shows=lambda place: False)


@built_once
def tiny_face_network(seed: int = 0) -> FaceNetwork:
    """Random, but its batch norms know its images, so that different faces get different answers."""
    torch.manual_seed(seed)
    heads = {name: list(attribute.class_names) for name, attribute in load_attributes().items()}
    network = FaceNetwork(heads, crop_size=16, width=4)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network(0.1 * torch.randn(64, 3, 1, 1) + 0.3 * torch.randn(64, 3, 16, 16))
    return network.eval().requires_grad_(False)


class BrightnessNetwork(nn.Module):
    """Perceives one attribute, gender: the brighter the face, the surer its second class; both are even at `middle`."""

    def __init__(self, middle: float, sharpness: float = 100.0):
        super().__init__()
        self.heads_config, self.crop_size, self.aligned = {"gender": ["female", "male"]}, 8, False
        self.middle, self.sharpness = middle, sharpness

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        logit = self.sharpness * (crops.mean((1, 2, 3)) - self.middle)
        return {"gender": torch.stack([-logit / 2, logit / 2], 1)}

    def probabilities(self, crops: Tensor) -> dict[str, Tensor]:
        return {name: logits.softmax(-1) for name, logits in self(crops).items()}

    def embed(self, crops: Tensor) -> Tensor:
        return nn.functional.normalize(crops.flatten(1), dim=-1)


@built_once
def tiny_encoder(seed: int) -> Callable[[Tensor], Tensor]:
    """Images [n, 3, h, w] -> features [n, FEATURES]: two random convolutions and a mean."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.SiLU(), nn.Conv2d(8, FEATURES, 3, 2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval().requires_grad_(False)


def tiny_text_features(prompts: list[str]) -> Tensor:
    return torch.stack([torch.randn(FEATURES, generator=noise_generator(prompt, 0, 0)) for prompt in prompts])


def tiny_critics(detector: Callable[[Tensor], Faces] | None = None) -> Critics:
    classifier, evaluator = tiny_face_network(1), tiny_face_network(2)
    bank = nn.functional.normalize(torch.randn(BANK, 128, generator=torch.Generator().manual_seed(0)), dim=-1)
    return Critics(detector or FixedDetector(), classifier, evaluator, classifier, bank,
                   {"clip": tiny_encoder(3), "dino": tiny_encoder(4)}, tiny_text_features)


def tiny_model(critics: Critics | None = None, seed: int = 0) -> Model:
    """A whole bundle on the CPU in float32, frozen: a step of 4 images and 3 sampling steps takes about 0.1 s."""
    parts = tiny_pipeline(seed)
    for part in (parts.text_encoder, parts.unet, parts.vae):
        part.requires_grad_(False)
    entry = ModelEntry("tiny", "Tiny", "For tests.", "", sampling_steps=3, guidance_scale=3.0)
    return Model(entry, parts.tokenizer, parts.text_encoder, parts.unet, parts.vae, parts.scheduler,
                 critics or tiny_critics(), torch.device("cpu"), torch.float32)
