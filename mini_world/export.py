"""Assembles the trained parts into one folder that StableDiffusionPipeline.from_pretrained loads.

python -m mini_world.export --portraits portraits.zip --out build   (then copy build/mini to assets/mini)
"""

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from fairness_core.critics.built_in import FaceNetwork
from mini_world.cli import arguments
from mini_world.loop import pick_device
from mini_world.portraits import as_floats, load_portraits, split, with_more
from mini_world.repaint import BATCH
from mini_world.train_classifiers import face_crops
from mini_world.train_unet import NOISE

BANK_SIZE = 512


@torch.no_grad()
def save_face_bank(args, folder: Path) -> None:
    """Embeddings of portraits whose demographics were drawn uniformly: faces to stay close to."""
    training = with_more(split(load_portraits(args.portraits))[0], args.more_portraits)
    crops, found = face_crops(training.images.split(BATCH), args.out / "crops_training_rendered.pt", pick_device())
    uniform = torch.tensor([not row["biased"] for row in training.rows]) & found
    network = FaceNetwork.from_pretrained(folder / "classifier")
    small = F.interpolate(as_floats(crops[uniform][:BANK_SIZE]), network.crop_size, mode="bilinear", antialias=True)
    save_file({"embeddings": network.embed(small).half()}, folder / "face_bank.safetensors")


def main() -> None:
    args = arguments()
    folder = args.out / "mini"
    parts = dict(dtype=torch.float16)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae", **parts),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **parts),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **parts),
        scheduler=DPMSolverMultistepScheduler(**NOISE, algorithm_type="dpmsolver++", solver_order=2,
                                              timestep_spacing="trailing"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    for part in (pipeline.vae, pipeline.unet):
        part.register_to_config(_name_or_path="")  # nobody else has the folder they were built in
    pipeline.save_pretrained(folder)
    save_face_bank(args, folder)
    shutil.rmtree(folder / "tokenizer" / ".cache", ignore_errors=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 2**20:.1f} MB")


if __name__ == "__main__":
    main()
