"""Face realism on photographs: facenet-pytorch's recognition network, and a bank of faces from the user's portraits."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from facenet_pytorch import InceptionResnetV1
from torch import Tensor, nn

from fairness_core.critics.faces import FaceDetector, crop_for
from fairness_core.critics.hub import inside
from fairness_core.critics.protocols import CriticsError, FaceEmbedder
from fairness_core.tensor_files import read_state_dict

PORTRAIT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
PORTRAIT_SIZE = 512  # pixels; larger ones are shrunk before their face is looked for
WHERE = ("facenet-pytorch's releases hold 20180402-114759-vggface2.pt (https://github.com/timesler/facenet-pytorch/"
         "releases/tag/v2.2.9)")


class FacenetEmbedder(nn.Module):
    """InceptionResnetV1, trained on VGGFace2 or CASIA-WebFace by whoever made the weights."""

    crop_size, aligned = 160, False

    def __init__(self, network: InceptionResnetV1):
        super().__init__()
        self.network = network

    def embed(self, crops: Tensor) -> Tensor:
        """crops [n, 3, 160, 160] in [-1, 1] -> unit-length float32 [n, 512], with gradient."""
        return self.network(crops.float() * 127.5 / 128)  # facenet-pytorch's own standardisation


def load_facenet(weights: Path) -> FacenetEmbedder:
    """The network with the weights in a safetensors file or a PyTorch state dict, frozen.

    Raises CriticsError where the file is missing or made for another network, TensorFileError where it cannot be read.
    """
    if not weights.is_file():
        raise CriticsError(f"Face realism needs the weights of InceptionResnetV1 as {weights}: {WHERE}.")
    network = InceptionResnetV1(pretrained=None)
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in read_state_dict(weights).items()
               if not k.startswith("logits.")}  # the head that names the people trained on
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise CriticsError(f"{weights.name} holds the weights of another network than InceptionResnetV1: "
                           f"{WHERE}.") from None
    return FacenetEmbedder(network).eval().requires_grad_(False)


@dataclass(frozen=True)
class FaceBank:
    """embeddings: unit-length float32 [m, d]; without_face: the names of the portraits left out for want of a face."""

    embeddings: Tensor
    without_face: tuple[str, ...]


@torch.no_grad()
def build_face_bank(portraits: Path, detector: FaceDetector, embedder: FaceEmbedder, device: torch.device) -> FaceBank:
    """Embeds the largest face of every picture in a folder; other files are passed over.

    Raises CriticsError for a folder without a face, and for a picture that cannot be read or is a link out of it.
    """
    embeddings, without_face = [], []
    for path in portrait_files(portraits):
        picture = read_portrait(path).to(device)
        faces = detector(picture)
        if faces.found[0]:
            embeddings.append(embedder.embed(crop_for(embedder, picture, faces)))
        else:
            without_face.append(path.name)
    if not embeddings:
        raise CriticsError(f"No face was found in {portraits}: put portraits there ({', '.join(PORTRAIT_SUFFIXES)}).")
    return FaceBank(torch.cat(embeddings), tuple(without_face))


def portrait_files(portraits: Path) -> list[Path]:
    if not portraits.is_dir():
        raise CriticsError(f"There is no folder of portraits {portraits}: make it, and put pictures of faces into it.")
    names = sorted(path.name for path in portraits.iterdir() if path.suffix.lower() in PORTRAIT_SUFFIXES)
    return [inside(portraits, name, "Portraits") for name in names]


def read_portrait(path: Path) -> Tensor:
    """[1, 3, h, w] in [-1, 1], upright, PORTRAIT_SIZE at most; of 16 bits a colour, the upper eight."""
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)  # None for half a picture
    except (OSError, cv2.error):  # of an empty file, or one of more pixels than OpenCV takes
        picture = None
    if picture is None:
        raise CriticsError(f"The portrait {path.name} is no picture that can be read: take it out.")
    shrink = PORTRAIT_SIZE / max(picture.shape)
    if shrink < 1:
        picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
