"""Face crops -> what is perceived: one small network, one head an attribute."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU())


class FaceNetwork(nn.Module):
    """A convolutional trunk with linear heads.

    heads: head name -> class names. aligned: whether it reads faces.align_faces or faces.crop_faces.
    `embed` gives the unit-length trunk features that the face-realism loss compares.
    """

    def __init__(self, heads: dict[str, list[str]], crop_size: int = 64, width: int = 32, temperature: float = 1.0,
                 aligned: bool = False):
        super().__init__()
        self.heads_config, self.crop_size, self.width, self.temperature = heads, crop_size, width, temperature
        self.aligned = aligned
        self.trunk = nn.Sequential(
            convolution(3, width, 2), convolution(width, 2 * width), nn.MaxPool2d(2),
            convolution(2 * width, 2 * width), convolution(2 * width, 4 * width), nn.MaxPool2d(2),
            convolution(4 * width, 4 * width), convolution(4 * width, 4 * width),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, 128), nn.SiLU())
        self.heads = nn.ModuleDict({name: nn.Linear(128, len(classes)) for name, classes in heads.items()})

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops [n, 3, crop_size, crop_size] in [-1, 1] -> logits [n, classes] by attribute."""
        features = self.trunk(crops)
        return {name: head(features) / self.temperature for name, head in self.heads.items()}

    def probabilities(self, crops: Tensor) -> dict[str, Tensor]:
        """Softmax of the logits, float32 [n, classes] by attribute."""
        return {name: logits.float().softmax(-1) for name, logits in self(crops).items()}

    def embed(self, crops: Tensor) -> Tensor:
        """Unit-length features, float32 [n, 128]."""
        return nn.functional.normalize(self.trunk(crops).float(), dim=-1)

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(json.dumps({
            "heads": self.heads_config, "crop_size": self.crop_size, "width": self.width,
            "temperature": self.temperature, "aligned": self.aligned}, indent=1), encoding="utf-8")
        save_file({k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in self.state_dict().items()}, folder / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "FaceNetwork":
        """Raises FileNotFoundError when the folder holds no classifier."""
        network = cls(**json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
        weights = load_file(folder / WEIGHTS_FILE)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
        return network.eval()
