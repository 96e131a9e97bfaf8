"""Hats and glasses, made of simple bodies and fitted to the head."""

import math
from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from mini_world.render.blender import added, paint, plain_material

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """A dome or cylinder: size and place in half-widths, half-depths and eye-to-crown heights of the head."""

    kind: str
    size: Triple
    place: Triple
    is_visor: bool = False


HATS = {
    "hardhat": (Part("dome", (1.12, 1.16, .98), (0, 0, .12)), Part("cylinder", (1.3, 1.5, .03), (0, -.1, .14))),
    "toque": (Part("cylinder", (1.0, 1.04, .5), (0, .05, .6)), Part("dome", (1.2, 1.2, .6), (0, .05, 1.0))),
    "cap": (Part("cylinder", (1.02, 1.06, .18), (0, 0, .5)), Part("dome", (1.25, 1.25, .3), (0, 0, .62)),
            Part("cylinder", (.85, .7, .03), (0, -.75, .36), is_visor=True)),
    "straw": (Part("cylinder", (1.9, 1.9, .03), (0, 0, .4)), Part("dome", (1.05, 1.08, .75), (0, 0, .4))),
    "swimcap": (Part("dome", (1.06, 1.1, .82), (0, .02, .2)),),
    "beanie": (Part("dome", (1.14, 1.16, .95), (0, .02, .24)), Part("cylinder", (1.14, 1.16, .12), (0, .02, .3))),
    "pillbox": (Part("cylinder", (.72, .74, .2), (0, .1, .78)),),
    "flatcap": (Part("dome", (1.2, 1.3, .42), (0, -.05, .5)), Part("cylinder", (.8, .5, .04), (0, -1.0, .48))),
    "beret": (Part("dome", (1.35, 1.3, .35), (.25, .1, .52)),)}


@dataclass(frozen=True)
class Head:
    """Where a head is, in MakeHuman's axes: middle of the eyes [3], the eyes [2, 3], an eye's radius, eye-to-crown
    height, half-width, half-depth, and the depth of its middle."""

    middle: np.ndarray
    eyes: np.ndarray
    eye_radius: float
    crown: float
    width: float
    depth: float
    centre_depth: float

    @classmethod
    def of(cls, vertices: np.ndarray, head: np.ndarray, eyes: dict[str, np.ndarray]) -> "Head":
        skin, middle = vertices[head], np.mean([vertices[eyes[side]].mean(0) for side in "lr"], axis=0)
        low, high = skin.min(0), skin.max(0)
        left = vertices[eyes["l"]][:, 0]
        centres = [(vertices[eyes[side]].max(0) + vertices[eyes[side]].min(0)) / 2 for side in "lr"]
        return cls(middle, np.array(centres), (left.max() - left.min()) / 2, high[1] - middle[1],
                   (high[0] - low[0]) / 2, (high[2] - low[2]) / 2, (high[2] + low[2]) / 2)


class Hats:
    def __init__(self):
        self.material = plain_material("hat", roughness=.4)
        visor = plain_material("visor", (.01, .01, .012), .25)
        self.parts = {name: [(part, self.build(part, visor)) for part in parts] for name, parts in HATS.items()}

    def build(self, part: Part, visor: bpy.types.Material) -> bpy.types.Object:
        if part.kind == "dome":
            bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16)
            cut_below(bpy.context.object.data, -.02)
        else:
            bpy.ops.mesh.primitive_cylinder_add(vertices=40)
        return added(visor if part.is_visor else self.material)

    def wear(self, name: str, colour: Triple, head: Head) -> None:
        """Shows one hat, or none for an empty name."""
        for hat, parts in self.parts.items():
            for part, thing in parts:
                thing.hide_render = hat != name
                if hat == name:
                    (a, b, c), (x, y, z) = part.size, part.place
                    thing.scale = (a * head.width * 1.02, b * head.depth * 1.02, c * head.crown)
                    thing.location = (x * head.width, y * head.depth - head.centre_depth,
                                      head.middle[1] + (.25 + z) * head.crown)
                    thing.rotation_euler = (-.08, 0, 0)
        if name:
            paint(self.material, colour)


def cut_below(mesh: bpy.types.Mesh, height: float) -> None:
    body = bmesh.new()
    body.from_mesh(mesh)
    bmesh.ops.delete(body, geom=[vertex for vertex in body.verts if vertex.co.z < height], context="VERTS")
    body.to_mesh(mesh)
    body.free()


class Glasses:
    """Two rings and a bridge."""

    def __init__(self):
        black = plain_material("glasses", (.01, .01, .01), .2)
        self.rings = []
        for _ in "lr":
            bpy.ops.mesh.primitive_torus_add(major_radius=1, minor_radius=.075, major_segments=32, minor_segments=8)
            self.rings.append(flat_shaded(black))
        bpy.ops.mesh.primitive_cylinder_add(vertices=12, radius=.05, depth=1)
        self.bridge = flat_shaded(black)

    def wear(self, worn: bool, head: Head) -> None:
        for thing in (*self.rings, self.bridge):
            thing.hide_render = not worn
        radius, front = head.eye_radius, max(head.eyes[:, 2]) + head.eye_radius * 1.25
        for ring, (x, y, _) in zip(self.rings, head.eyes, strict=True):
            ring.location, ring.rotation_euler = (x * 1.04, -front, y - .05 * radius), (math.pi / 2, 0, 0)
            ring.scale = (radius * 1.5, radius * 1.25, radius * 1.5)
        self.bridge.location = (0, -front, head.eyes[:, 1].mean())
        self.bridge.scale = (radius * 1.2, radius * 1.2, abs(head.eyes[0, 0] - head.eyes[1, 0]) * 1.04 - radius * 3)
        self.bridge.rotation_euler = (0, math.pi / 2, 0)


def flat_shaded(material: bpy.types.Material) -> bpy.types.Object:
    thing = bpy.context.object
    thing.data.materials.append(material)
    return thing
