"""The few Blender calls everything is built from: materials, meshes, pictures."""

from pathlib import Path

import bpy
import numpy as np

from mini_world.render.makehuman import Corner

TINT = "tint"  # names of nodes that are changed for every portrait
TEXTURE = "texture"


def plain_material(name: str, colour: tuple = (1, 1, 1), roughness: float = .7) -> bpy.types.Material:
    material, shader = new_material(name, roughness, specular=.2)
    shader.inputs["Base Color"].default_value = (*colour, 1)
    return material


def textured_material(name: str, texture: Path | None, *, alpha: bool = False, roughness: float = .5,
                      subsurface: float = 0) -> bpy.types.Material:
    """A texture multiplied by a tint."""
    material, shader = new_material(name, roughness, specular=.3)
    if subsurface:
        shader.inputs["Subsurface Weight"].default_value = subsurface
        shader.inputs["Subsurface Radius"].default_value = (.25, .1, .06)
        shader.inputs["Subsurface Scale"].default_value = .25
    tree = material.node_tree
    image, mix = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeMix")
    image.name, mix.name = TEXTURE, TINT
    if texture is not None:
        image.image = bpy.data.images.load(str(texture))
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    mix.inputs[0].default_value = 1.0
    tree.links.new(image.outputs["Color"], mix.inputs[6])
    tree.links.new(mix.outputs[2], shader.inputs["Base Color"])
    if alpha:
        tree.links.new(image.outputs["Alpha"], shader.inputs["Alpha"])
    return material


def new_material(name: str, roughness: float, specular: float) -> tuple[bpy.types.Material, bpy.types.Node]:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = specular
    return material, shader


def eye_material() -> bpy.types.Material:
    """White, iris and pupil by the distance from the front of a sphere."""
    material = bpy.data.materials.new("eye")
    material.use_nodes = True
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = .08
    place, axes = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
    front, ramp = tree.nodes.new("ShaderNodeMath"), tree.nodes.new("ShaderNodeValToRGB")
    front.operation, front.inputs[1].default_value, ramp.name = "MULTIPLY", -1, TINT
    tree.links.new(place.outputs["Object"], axes.inputs[0])
    tree.links.new(axes.outputs["Y"], front.inputs[0])
    tree.links.new(front.outputs[0], ramp.inputs[0])
    tree.links.new(ramp.outputs[0], shader.inputs["Base Color"])
    stops = ramp.color_ramp.elements
    stops[0].position, stops[0].color = .86, (.75, .72, .7, 1)
    stops[1].position = .885
    stops.new(.965)
    stops.new(.975).color = (0, 0, 0, 1)
    return material


def paint(material: bpy.types.Material, colour: tuple) -> None:
    """Sets a material's tint, or its colour when it has no texture."""
    nodes = material.node_tree.nodes
    socket = nodes[TINT].inputs[7] if TINT in nodes else nodes["Principled BSDF"].inputs["Base Color"]
    socket.default_value = (*colour, 1)


def paint_iris(material: bpy.types.Material, colour: tuple) -> None:
    for stop in list(material.node_tree.nodes[TINT].color_ramp.elements)[1:3]:
        stop.color = (*colour, 1)


def new_object(name: str, vertices: int, faces: list[list[Corner]], texture: np.ndarray,
               material: bpy.types.Material) -> bpy.types.Object:
    """A smooth mesh whose vertices are placed later."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(np.zeros((vertices, 3)).tolist(), [], [[vertex for vertex, _ in face] for face in faces])
    corners = np.array([texture[t] for face in faces for _, t in face], np.float32)
    mesh.uv_layers.new(name="uv").data.foreach_set("uv", corners.ravel())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def place(thing: bpy.types.Object, vertices: np.ndarray) -> None:
    """Vertices [v, 3] in MakeHuman's axes -> Blender's (z up, y to the back)."""
    x, y, z = vertices.T
    thing.data.vertices.foreach_set("co", np.stack([x, -z, y], 1).astype(np.float32).ravel())
    thing.data.update()


def added(material: bpy.types.Material) -> bpy.types.Object:
    """The object an operator has just added, smooth and of a material."""
    thing = bpy.context.object
    for polygon in thing.data.polygons:
        polygon.use_smooth = True
    thing.data.materials.append(material)
    return thing


def set_pixels(image: bpy.types.Image, pixels: np.ndarray) -> None:
    """Pixels [h, w, 3], top row first, into an image of that size."""
    opaque = np.ones((*pixels.shape[:2], 4), np.float32)
    opaque[..., :3] = pixels
    image.pixels.foreach_set(opaque[::-1].ravel())
    image.update()
