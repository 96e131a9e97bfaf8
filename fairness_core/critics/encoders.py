"""CLIP and DINO: what the pictures' likeness, and their likeness to the prompt, is measured by."""

from pathlib import Path

from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, CLIPModel

from fairness_core.critics.hub import load_network, model_type
from fairness_core.critics.preprocess import Preprocess, load_preprocess
from fairness_core.critics.protocols import CriticsError


class ClipEncoder(nn.Module):
    """Images and prompts in one space."""

    def __init__(self, clip: CLIPModel, view: Preprocess, tokenizer: object):
        super().__init__()
        self.clip, self.view, self.tokenizer = clip, view, tokenizer

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> features [n, d], with gradient."""
        return self.clip.get_image_features(self.view(images)).pooler_output

    def text_features(self, prompts: list[str]) -> Tensor:
        """Prompts, cut to the length CLIP reads -> features [n, d]."""
        tokens = self.tokenizer(prompts, padding=True, truncation=True, return_tensors="pt",
                                max_length=self.clip.config.text_config.max_position_embeddings)
        return self.clip.get_text_features(tokens.input_ids.to(self.clip.device)).pooler_output


class PooledEncoder(nn.Module):
    """Any vision transformer with a pooled output, such as DINOv2."""

    def __init__(self, network: nn.Module, view: Preprocess):
        super().__init__()
        self.network, self.view = network, view

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> features [n, d], with gradient. Raises CriticsError without."""
        features = getattr(self.network(self.view(images)), "pooler_output", None)
        if features is None:
            raise CriticsError(f"DINO: a {self.network.config.model_type} gives no pooled features: use a DINOv2.")
        return features.flatten(1)


def load_clip(folder: Path, tokenizer: Path | None = None) -> ClipEncoder:
    """A CLIP checkpoint; its tokenizer is in the same folder unless another is given. Raises CriticsError."""
    if (kind := model_type(folder, "CLIP")) != "clip":
        raise CriticsError(f"CLIP: {folder.name} is a {kind}: choose a checkpoint of CLIP.")
    network = load_network(CLIPModel, folder, "CLIP")
    try:
        words = AutoTokenizer.from_pretrained(tokenizer or folder, local_files_only=True)
    except (OSError, ValueError):
        raise CriticsError(f"CLIP: {folder.name} has no tokenizer (tokenizer.json).") from None
    return ClipEncoder(network, load_preprocess(folder), words).eval()


def load_pooled(folder: Path) -> PooledEncoder:
    """A DINOv2 checkpoint, or of another network that pools its output. Raises CriticsError."""
    return PooledEncoder(load_network(AutoModel, folder, "DINO"), load_preprocess(folder)).eval()
