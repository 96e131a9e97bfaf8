"""Textures of skin and hair: ages, lips and stubble painted over MakeHuman's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from mini_world.render.body import Body
from mini_world.render.makehuman import MakeHuman

SIZE, HAIR_SIZE = 1024, 768
YOUNG = {("light", "female"): ("young_lightskinned_female_diffuse2", "young_lightskinned_female_diffuse3"),
         ("light", "male"): ("young_lightskinned_male_diffuse", "young_lightskinned_male_diffuse2",
                             "young_lightskinned_male_diffuse3"),
         ("dark", "female"): ("young_darkskinned_male_diffuse",),  # MakeHuman has no dark-skinned woman under CC0
         ("dark", "male"): ("young_darkskinned_male_diffuse", "middleage_darkskinned_male_diffuse")}
OLD = {("light", "female"): ("middleage_lightskinned_female_diffuse2",),
       ("light", "male"): ("middleage_lightskinned_male_diffuse", "middleage_lightskinned_male_diffuse2"),
       ("dark", "female"): ("old_darkskinned_male_diffuse",), ("dark", "male"): ("old_darkskinned_male_diffuse",)}
LIPS = {"rose": (.72, .33, .33), "red": (.62, .08, .1)}
STUBBLE, YOUNG_STUBBLE, OLD_STUBBLE = .38, (.10, .07, .055), (.55, .54, .53)
SkinKey = tuple[str, str, str, int, str]  # tone, gender, age, which, make-up


def make_skins(body: Body, assets: MakeHuman) -> Iterator[tuple[SkinKey, np.ndarray]]:
    """Every skin [SIZE, SIZE, 3] with its key."""
    lips, stubble = face_masks(body)
    wrinkles = wrinkles_of(load(assets, "old_darkskinned_male_diffuse"))
    for age, sources in (("young", YOUNG), ("old", OLD)):
        for (tone, gender), names in sources.items():
            for i, name in enumerate(names):
                skin = load(assets, name)
                if age == "old" and tone == "light":
                    skin = np.clip(skin * wrinkles ** 1.1, 0, 1)
                yield (tone, gender, age, i, "plain"), skin
                if gender == "female":
                    for make_up, colour in LIPS.items():
                        yield (tone, gender, age, i, make_up), with_lips(skin, lips, colour)
                else:
                    colour, strength = np.array(OLD_STUBBLE if age == "old" else YOUNG_STUBBLE), STUBBLE * stubble
                    yield (tone, gender, age, i, "stubble"), skin * (1 - strength) + strength * colour


def load(assets: MakeHuman, name: str) -> np.ndarray:
    picture = Image.open(assets.texture(name)).convert("RGB").resize((SIZE, SIZE), Image.LANCZOS)
    return np.asarray(picture, np.float32) / 255


def face_masks(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Where lips and stubble are, each [SIZE, SIZE, 1] in [0, 1]."""
    x, y, z = body.base.vertices.T
    lips = np.clip(body.moved_by(["mouth-lowerlip-volume-incr", "mouth-upperlip-volume-incr"]), 0, 1)
    lips[lips < .25] = 0
    mouth = np.average(y, weights=lips)
    front = z > .35
    chin = front * np.clip((mouth + .02 - y) / .12, 0, 1) * (y > mouth - .95)
    upper_lip = front * (np.abs(x) < .42) * np.clip(1 - np.abs(y - mouth - .2) / .14, 0, 1)
    cheeks = (np.abs(x) > .5) * (z > .1) * (y > mouth - .4) * (y < mouth + .75) * .7
    lip_mask = body.paint(lips, blur=3)
    hairy = body.paint(np.clip(chin + upper_lip + cheeks, 0, 1) * (lips < .2), blur=7)
    grain = 1 - .35 * np.random.default_rng(0).random((SIZE, SIZE, 1))
    return lip_mask, (hairy * grain * (1 - lip_mask)).clip(0, 1)


def with_lips(skin: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    shade = (skin.mean(-1, keepdims=True) * 1.1 + .25).clip(0, 1.1)
    return skin * (1 - .8 * mask) + .8 * mask * np.array(colour) * shade


def wrinkles_of(skin: np.ndarray) -> np.ndarray:
    """Fine light and dark of a texture, [SIZE, SIZE, 1] around 1."""
    light = skin.mean(-1, keepdims=True)
    picture = Image.fromarray((np.repeat(light, 3, -1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(10))
    smooth = np.asarray(picture, np.float32)[..., :1] / 255
    return np.clip((light + .02) / (smooth + .02), .5, 1.4)


def grey_hair(texture: Path) -> np.ndarray:
    """A hair texture without its colour, [HAIR_SIZE, HAIR_SIZE, 4]: the tint comes from the spec."""
    picture = Image.open(texture).convert("RGBA").resize((HAIR_SIZE, HAIR_SIZE), Image.LANCZOS)
    pixels = np.asarray(picture, np.float32) / 255
    light, alpha = pixels[..., :3].mean(-1), pixels[..., 3]
    light = np.clip(light / np.percentile(light[alpha > .5], 75), .15, 1.6) * .62
    return np.dstack([light, light, light, alpha])


def save(pixels: np.ndarray, path: Path) -> Path:
    Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(path)
    return path
