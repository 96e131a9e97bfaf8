"""Reads MakeHuman's files: meshes, and hair or clothes that are bound to the body's mesh."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Corner = tuple[int, int]  # vertex, texture vertex
HAIRSTYLES = {"short01": True, "short02": True, "short04": True, "braid01": True,  # drawn by a texture
              "long01": False, "ponytail01": False, "afro01": False}               # or of one colour
EYEBROWS = tuple(f"eyebrow{i:03d}" for i in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12))
EYELASHES = ("eyelashes01", "eyelashes02", "eyelashes04")
SUITS = ("male_elegantsuit01", "female_elegantsuit01")
SKINS = ("young_lightskinned_female_diffuse2", "young_lightskinned_female_diffuse3", "young_lightskinned_male_diffuse",
         "young_lightskinned_male_diffuse2", "young_lightskinned_male_diffuse3", "young_darkskinned_male_diffuse",
         "middleage_darkskinned_male_diffuse", "middleage_lightskinned_female_diffuse2",
         "middleage_lightskinned_male_diffuse", "middleage_lightskinned_male_diffuse2", "old_darkskinned_male_diffuse")


class AssetsError(FileNotFoundError):
    """MakeHuman's files are not where they were said to be; the message says what is missing."""


@dataclass(frozen=True)
class Mesh:
    """vertices [v, 3] (y up, z to the front, in decimetres), texture [t, 2], groups: name -> faces of corners."""

    vertices: np.ndarray
    texture: np.ndarray
    groups: dict[str, list[list[Corner]]]

    @property
    def faces(self) -> list[list[Corner]]:
        return [face for faces in self.groups.values() for face in faces]


def read_obj(path: Path) -> Mesh:
    vertices, texture, groups, group = [], [], {}, "default"
    for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append([float(x) for x in values[:3]])
        elif kind == "vt":
            texture.append([float(x) for x in values[:2]])
        elif kind in ("g", "o"):
            group = values[0] if values else "default"
        elif kind == "f":
            groups.setdefault(group, []).append([corner(value) for value in values])
    return Mesh(np.array(vertices, np.float32), np.array(texture, np.float32), groups)


def corner(text: str) -> Corner:
    """ "12/7" -> (11, 6)."""
    vertex, texture, *_ = [*text.split("/"), "0"]
    return int(vertex) - 1, int(texture or 0) - 1 if "/" in text else 0


class Proxy:
    """Hair, brows, lashes or clothes: a mesh whose vertices hang on three vertices of the body each (.mhclo)."""

    def __init__(self, mhclo: Path):
        rows, self.scales, mesh = [], {}, None
        in_vertices = False
        for words in filter(None, map(str.split, mhclo.read_text(encoding="utf-8", errors="ignore").splitlines())):
            if words[0] == "obj_file":
                mesh = words[1]
            elif words[0] in ("x_scale", "y_scale", "z_scale"):
                self.scales["xyz".index(words[0][0])] = (int(words[1]), int(words[2]), float(words[3]))
            elif words[0] in ("verts", "weights", "delete_verts", "weightsfile"):
                in_vertices = words[0] == "verts"
            elif in_vertices and words[0].isdigit():
                rows.append(binding(words))
        table = np.array(rows, np.float64)
        self.anchors = table[:, :3].astype(int)
        self.weights, self.offsets = table[:, 3:6].astype(np.float32), table[:, 6:9].astype(np.float32)
        self.mesh = read_obj(mhclo.parent / mesh)

    def fit(self, body: np.ndarray) -> np.ndarray:
        """Its vertices [v, 3] on a body [b, 3]."""
        scale = np.ones(3, np.float32)
        for axis, (first, second, distance) in self.scales.items():
            scale[axis] = abs(body[first, axis] - body[second, axis]) / distance
        return (body[self.anchors] * self.weights[..., None]).sum(1) + self.offsets * scale


def binding(words: list[str]) -> list[float]:
    """One vertex's row: three anchors, three weights, an offset. A single number hangs on that vertex alone."""
    if len(words) == 1:
        return [int(words[0])] * 3 + [1, 0, 0, 0, 0, 0]
    return [*map(int, words[:3]), *map(float, words[3:9])]


@dataclass(frozen=True)
class MakeHuman:
    """A folder with `base` (meshes) and `tex` (textures). Raises AssetsError naming what it lacks."""

    folder: Path

    def __post_init__(self) -> None:
        missing = [path for path in self.needed() if not path.exists()]
        if missing:
            raise AssetsError(
                f"{self.folder} lacks {len(missing)} of MakeHuman's files, the first is "
                f"{missing[0].relative_to(self.folder)}. Unpack MakeHuman's CC0 assets there (base/ and tex/); "
                "mini_world/README.md says where they come from.")

    def needed(self) -> Iterable[Path]:
        yield from (self.mhclo("hair", name) for name in HAIRSTYLES)
        yield from (self.texture(f"{name}_diffuse") for name, textured in HAIRSTYLES.items() if textured)
        for kind, names in (("eyebrows", EYEBROWS), ("eyelashes", EYELASHES)):
            yield from (self.mhclo(kind, name) for name in names)
            yield from map(self.texture, names)
        yield from (self.mhclo("clothes", name) for name in SUITS)
        yield from (self.texture(f"{name}_diffuse") for name in SUITS)
        yield from map(self.texture, SKINS)

    def mhclo(self, kind: str, name: str) -> Path:
        return self.folder / "base" / kind / name / f"{name}.mhclo"

    def texture(self, name: str) -> Path:
        return self.folder / "tex" / f"{name}.png"
