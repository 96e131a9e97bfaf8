"""Small random checkpoints in the formats that critics for photographs come in."""

from pathlib import Path

import torch
from facenet_pytorch import InceptionResnetV1
from helpers.fakes import TOKENS, tiny_tokenizer
from safetensors.torch import save_file
from torch import nn
from transformers import (BitImageProcessor, CLIPConfig, CLIPImageProcessor, CLIPModel, ConvNextImageProcessor,
                          Dinov2Config, Dinov2Model, ResNetConfig, ResNetForImageClassification, ViTConfig,
                          ViTForImageClassification, ViTImageProcessor)

SIZE = 28


def save_clip(folder: Path, width: int, seed: int = 0) -> None:
    torch.manual_seed(seed)
    vocabulary = len(tiny_tokenizer())
    layers = dict(hidden_size=width, intermediate_size=2 * width, num_hidden_layers=1, num_attention_heads=2)
    CLIPModel(CLIPConfig(
        projection_dim=width, vision_config=layers | dict(image_size=SIZE, patch_size=7),
        text_config=layers | dict(vocab_size=vocabulary, max_position_embeddings=TOKENS, bos_token_id=vocabulary - 2,
                                  eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1))).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def save_dino(folder: Path) -> None:
    torch.manual_seed(2)
    Dinov2Model(Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=SIZE,
                             patch_size=7)).save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": SIZE + 4}, crop_size={"height": SIZE, "width": SIZE},
                      image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]).save_pretrained(folder)


def label_names(labels: list[str]) -> dict:
    return dict(id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)})


def save_classifier(folder: Path, labels: list[str]) -> None:
    """A ViT, as dima806's."""
    torch.manual_seed(3)
    ViTForImageClassification(ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=SIZE, patch_size=7,
        **label_names(labels))).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)


def save_resnet(folder: Path, labels: list[str]) -> None:
    """A ResNet, as crangana's."""
    torch.manual_seed(4)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                          **label_names(labels))
    ResNetForImageClassification(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": SIZE}, crop_pct=0.875).save_pretrained(folder)


def save_facenet(path: Path) -> None:
    """The whole InceptionResnetV1, random, with the head that names people, in half precision."""
    torch.manual_seed(5)
    network = InceptionResnetV1(pretrained=None)
    network.logits = nn.Linear(512, 3)
    save_file({name: value.half() if value.is_floating_point() else value
               for name, value in network.state_dict().items()}, path)
