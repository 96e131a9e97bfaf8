"""The scene: built once, then rearranged for every portrait."""

import math
from pathlib import Path

import bpy
import mathutils
import numpy as np

from mini_world.render import skins
from mini_world.render.blender import (TEXTURE, added, eye_material, new_object, paint, paint_iris, place,
                                       plain_material, set_pixels, textured_material)
from mini_world.render.body import Body
from mini_world.render.makehuman import EYEBROWS, EYELASHES, HAIRSTYLES, SUITS, MakeHuman, Proxy
from mini_world.render.spec import Light, PortraitSpec
from mini_world.render.things import Glasses, Hats, Head

BACKGROUND_PIXELS, LAMP_DISTANCE, BACKGROUND_DISTANCE = 64, 9, 6
LASH_COLOUR = (.15, .12, .1)


class Fitted:
    """Hair, brows, lashes or clothes: several, of which one is worn."""

    def __init__(self, assets: MakeHuman, kind: str, materials: dict[str, bpy.types.Material]):
        self.choices = {}
        for name, material in materials.items():
            proxy = Proxy(assets.mhclo(kind, name))
            mesh = proxy.mesh
            thing = new_object(f"{kind} {name}", len(mesh.vertices), mesh.faces, mesh.texture, material)
            self.choices[name] = (proxy, thing, material)

    def wear(self, name: str, body: np.ndarray, colour: tuple | None = None) -> None:
        """Shows one of them on body vertices [v, 3], or none when the name is not among them."""
        for choice, (proxy, thing, material) in self.choices.items():
            thing.hide_render = choice != name
            if choice == name:
                place(thing, proxy.fit(body))
                if colour is not None:
                    paint(material, colour)


class Studio:
    """Renders specs. Takes a minute and a half to build the first time, ten seconds afterwards.

    assets: MakeHuman's files; folder: an empty folder for textures made on the way; size: pixels of the square picture.
    """

    def __init__(self, assets: MakeHuman, folder: Path, *, size: int = 128, samples: int = 12, threads: int = 2):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        set_up_cycles(size, samples, threads)
        self.body = Body()
        self.build_people(assets, folder)
        self.build_room()

    def build_people(self, assets: MakeHuman, folder: Path) -> None:
        base, count = self.body.base, len(self.body.base.vertices)
        self.skins = {key: bpy.data.images.load(str(skins.save(pixels, folder / f"skin {' '.join(map(str, key))}.png")))
                      for key, pixels in skins.make_skins(self.body, assets)}
        self.skin = textured_material("skin", None, subsurface=.12, roughness=.45)
        self.skin_object = new_object("body", count, self.body.seen("body"), base.texture, self.skin)
        self.cloth = plain_material("cloth")
        self.tights = new_object("tights", count, self.body.seen("helper-tights"), base.texture, self.cloth)
        self.iris = eye_material()
        self.eyes = {side: self.build_eye() for side in "lr"}
        hair = {name: textured_material(name, skins.save(skins.grey_hair(assets.texture(f"{name}_diffuse")),
                                                         folder / f"{name}.png"), alpha=True, roughness=.45)
                if textured else plain_material(name, roughness=.5) for name, textured in HAIRSTYLES.items()}
        masked = lambda names: {name: textured_material(name, assets.texture(name), alpha=True) for name in names}
        self.hair = Fitted(assets, "hair", hair)
        self.brows, self.lashes = (Fitted(assets, kind, masked(names))
                                   for kind, names in (("eyebrows", EYEBROWS), ("eyelashes", EYELASHES)))
        self.suits = Fitted(assets, "clothes", {
            name: textured_material(name, assets.texture(f"{name}_diffuse"), alpha=True, roughness=.8)
            for name in SUITS})
        self.hats, self.glasses = Hats(), Glasses()

    def build_eye(self) -> bpy.types.Object:
        bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=24)
        return added(self.iris)

    def build_room(self) -> None:
        scene = bpy.context.scene
        self.build_background()
        self.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self.camera.data.lens = 85
        scene.collection.objects.link(self.camera)
        scene.camera = self.camera
        self.lamps = [bpy.data.objects.new(name, bpy.data.lights.new(name, "AREA")) for name in ("key", "fill", "rim")]
        for lamp in self.lamps:
            scene.collection.objects.link(lamp)
        scene.world = bpy.data.worlds.new("world")
        scene.world.use_nodes = True
        self.ambient = scene.world.node_tree.nodes["Background"]

    def build_background(self) -> None:
        """A glowing plane behind the head that lights nothing."""
        bpy.ops.mesh.primitive_plane_add(size=1)
        self.background = bpy.context.object
        material = bpy.data.materials.new("background")
        material.use_nodes = True
        tree = material.node_tree
        tree.nodes.clear()
        texture, glow, output = (tree.nodes.new(kind) for kind in
                                 ("ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeOutputMaterial"))
        texture.image = bpy.data.images.new("background", BACKGROUND_PIXELS, BACKGROUND_PIXELS, alpha=True)
        self.background_image = texture.image
        tree.links.new(texture.outputs[0], glow.inputs[0])
        tree.links.new(glow.outputs[0], output.inputs[0])
        self.background.data.materials.append(material)
        for ray in ("diffuse", "glossy", "shadow"):
            setattr(self.background, f"visible_{ray}", False)

    def render(self, spec: PortraitSpec, path: Path) -> None:
        """Writes the portrait as a PNG."""
        vertices = self.body.vertices(spec.phenotype, spec.shape, spec.expression)
        head = Head.of(vertices, self.body.head, self.body.eyes)
        self.dress(spec, vertices, head)
        self.light(spec, self.aim(spec, head))
        scene = bpy.context.scene
        scene.render.filepath, scene.cycles.seed = str(path), spec.seed % 10000
        bpy.ops.render.render(write_still=True)

    def dress(self, spec: PortraitSpec, vertices: np.ndarray, head: Head) -> None:
        for thing in (self.skin_object, self.tights):
            place(thing, vertices)
        self.skin.node_tree.nodes[TEXTURE].image = self.skins[spec.skin]
        paint(self.skin, spec.skin_tint)
        paint(self.cloth, spec.clothes)
        paint_iris(self.iris, spec.iris)
        for side, (x, y, z) in zip("lr", head.eyes, strict=True):
            across = vertices[self.body.eyes[side]][:, 0]
            eye = self.eyes[side]
            eye.location, eye.scale = (x, -z, y), ((across.max() - across.min()) / 2,) * 3
            eye.rotation_euler = (spec.gaze[0], 0, spec.gaze[1])
        self.hair.wear(spec.hair, vertices, spec.hair_colour)
        self.brows.wear(spec.brow, vertices, tuple(value * .8 for value in spec.hair_colour))
        self.lashes.wear(spec.lash, vertices, LASH_COLOUR)
        self.suits.wear(spec.suit, vertices, spec.suit_tint)
        self.glasses.wear(spec.glasses, head)
        self.hats.wear(spec.hat, spec.hat_colour, head)

    def aim(self, spec: PortraitSpec, head: Head) -> np.ndarray:
        """Turns the camera around the head, and the background behind it. Returns where it looks, in Blender's axes."""
        target = np.array([0, -head.middle[2] + .5, head.middle[1] - .35 * head.crown + spec.shift * head.crown])
        position = target + spec.distance * direction(spec.yaw, spec.pitch)
        ahead = mathutils.Vector(target - position)
        self.camera.location, self.camera.rotation_euler = position, looking(ahead)
        self.camera.rotation_euler.rotate_axis("Z", spec.roll)
        self.background.location = target - BACKGROUND_DISTANCE * direction(spec.yaw, spec.pitch)
        self.background.rotation_euler, self.background.scale = looking(ahead), (14, 14, 1)
        return target

    def light(self, spec: PortraitSpec, target: np.ndarray) -> None:
        set_pixels(self.background_image, spec.background)
        for lamp, light in zip(self.lamps, spec.lights, strict=True):
            place_lamp(lamp, light, target)
        self.ambient.inputs[0].default_value = (*spec.ambient, 1)
        self.ambient.inputs[1].default_value = 1.0


def set_up_cycles(size: int, samples: int, threads: int) -> None:
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", samples
    scene.cycles.use_denoising, scene.cycles.denoiser = True, "OPENIMAGEDENOISE"
    scene.cycles.max_bounces, scene.cycles.transparent_max_bounces = 3, 12
    scene.cycles.use_adaptive_sampling = False
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.use_persistent_data = False
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector [3] in Blender's axes; azimuth 0 is in front of the face."""
    return np.array([math.sin(azimuth) * math.cos(elevation), -math.cos(azimuth) * math.cos(elevation),
                     math.sin(elevation)])


def looking(along: mathutils.Vector) -> mathutils.Euler:
    return along.to_track_quat("-Z", "Y").to_euler()


def place_lamp(lamp: bpy.types.Object, light: Light, target: np.ndarray) -> None:
    position = target + LAMP_DISTANCE * direction(light.azimuth, light.elevation)
    lamp.location, lamp.rotation_euler = position, looking(mathutils.Vector(target - position))
    lamp.data.energy, lamp.data.size, lamp.data.color = light.power, light.size, light.colour
