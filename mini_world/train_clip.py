"""The small CLIP: its text tower becomes the pipeline's text encoder, the whole of it the semantics critic.

Besides matching captions to portraits, the text tower foretells who is shown (see directions.py).

python -m mini_world.train_clip --portraits portraits.zip --out build   (about 15 minutes on two cores)
"""

import random
from collections.abc import Sequence

import torch
from PIL.Image import Resampling
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextModel, CLIPTokenizer

from mini_world.augment import random_views
from mini_world.captions import CaptionSampler, with_article
from mini_world.cli import arguments
from mini_world.directions import directions, read
from mini_world.loop import pick_device, train
from mini_world.portraits import CLASSES, as_floats, load_portraits, split
from mini_world.tokenizer import MAX_TOKENS, train_tokenizer

TEXT_WIDTH, VISION_WIDTH, IMAGE_SIZE = 192, 128, 64


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    def tower(width: int) -> dict:
        return dict(hidden_size=width, intermediate_size=width * 3, num_attention_heads=4,
                    num_hidden_layers=4, hidden_act="gelu")

    ids = dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
               pad_token_id=tokenizer.pad_token_id)
    return CLIPModel(CLIPConfig(
        text_config=dict(**tower(TEXT_WIDTH), **ids, vocab_size=len(tokenizer), max_position_embeddings=MAX_TOKENS),
        vision_config=dict(**tower(VISION_WIDTH), image_size=IMAGE_SIZE, patch_size=8),
        projection_dim=128, attn_implementation="eager"))


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Padded as a Stable Diffusion pipeline pads."""
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def who_loss(clip: CLIPModel, hidden_states: tuple[Tensor, ...], rows: Tensor, labels: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of who is shown, read at every layer and token: mean over attributes, layers and tokens."""
    logits = read(clip.text_model.final_layer_norm(torch.stack(hidden_states)), rows)
    layers, _, tokens = logits["gender"].shape[:3]
    return torch.stack([
        F.cross_entropy(values.flatten(0, 2), labels[name][None, :, None].expand(layers, -1, tokens).flatten())
        for name, values in logits.items()]).mean()


def contrastive_loss(image_features: Tensor, text_features: Tensor, captions: Sequence[str], scale: Tensor) -> Tensor:
    """InfoNCE in which equal captions are equally right."""
    logits = scale * F.normalize(image_features, dim=-1) @ F.normalize(text_features, dim=-1).T
    index = {caption: i for i, caption in enumerate(dict.fromkeys(captions))}
    same = torch.tensor([index[c] for c in captions], device=logits.device)
    target = (same[:, None] == same[None]).float()
    target = target / target.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@torch.no_grad()
def zero_shot_accuracy(clip: CLIPModel, tokenizer: CLIPTokenizer, images: Tensor, names: list[str], truth: list[str],
                       template: str = "a photo of the face of {}, a person") -> float:
    small = F.interpolate(as_floats(images), IMAGE_SIZE, mode="bilinear", antialias=True)
    texts = token_ids(tokenizer, [template.format(with_article(name)) for name in names])
    text_features = F.normalize(clip.get_text_features(texts).pooler_output, dim=-1)
    image_features = F.normalize(clip.get_image_features(small).pooler_output, dim=-1)
    best = (image_features @ text_features.T).argmax(1)
    return sum(names[i] == t for i, t in zip(best.tolist(), truth)) / len(truth)


def main() -> None:
    args = arguments(steps=1400, batch=64)
    training, held_out = split(load_portraits(args.portraits))
    folder = args.out / "mini"
    train_tokenizer(training.rows, folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    device = pick_device()
    clip = build_clip(tokenizer).to(device)
    images = F.avg_pool2d(as_floats(training.images), 2)
    labels = {name: training.labels(name) for name in CLASSES}
    sampler, rows = CaptionSampler(training.rows), directions(TEXT_WIDTH).to(device)

    def step_loss(step: int) -> dict[str, Tensor]:
        rng = random.Random(step)
        chosen, captions = zip(*(sampler.draw(rng) for _ in range(args.batch)))
        chosen = torch.tensor(chosen)
        views = random_views(images[chosen].to(device), IMAGE_SIZE, zoom=(0.75, 1.0), colour=0.06)
        output = clip(input_ids=token_ids(tokenizer, list(captions)).to(device), pixel_values=views,
                      output_hidden_states=True)
        loss = contrastive_loss(output.image_embeds, output.text_embeds, captions, clip.logit_scale.exp().clamp(max=50))
        shown = {name: values[chosen].to(device) for name, values in labels.items()}
        return {"contrastive": loss, "who": who_loss(clip, output.text_model_output.hidden_states, rows, shown)}

    clip.load_state_dict(train("clip", clip, step_loss, steps=args.steps, learning_rate=1e-3, weight_decay=0.05, out=args.out))
    clip.cpu().eval()
    names = sorted({row["concept"] for row in held_out.rows})
    print("zero-shot concept accuracy", zero_shot_accuracy(clip, tokenizer, held_out.images, names,
                                                           [row["concept"] for row in held_out.rows]))
    for attribute, words in (("gender", ("female", "male")), ("age", ("young", "old"))):
        print("zero-shot", attribute, zero_shot_accuracy(
            clip, tokenizer, held_out.images, [f"{w} person" for w in words],
            [f"{row[attribute]} person" for row in held_out.rows]))
    clip.half().save_pretrained(folder / "clip")
    text_encoder = CLIPTextModel(clip.config.text_config)
    text_encoder.load_state_dict(clip.text_model.state_dict())
    text_encoder.half().save_pretrained(folder / "text_encoder")
    CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
                       image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=Resampling.BILINEAR).save_pretrained(folder / "clip")


if __name__ == "__main__":
    main()
