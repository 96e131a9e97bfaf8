"""A portrait before it is rendered: every random choice, a function of one seed."""

from dataclasses import dataclass

import numpy as np

from mini_world.render.concepts import Concept, Person
from mini_world.render.makehuman import EYEBROWS, HAIRSTYLES

FACE_PARTS = ("cheek", "chin", "forehead", "head-", "mouth", "nose", "eye-")
ANCESTRY = {"wmelh": (.02, .03, 1), "asian": (.0, 1, .05), "black": (1, .0, .05), "indian": (.22, .22, .56)}
# The tint of the skin's texture and how much it varies.
SKIN_TINT = {"wmelh": ((.98, .93, .9), (.82, 1.05)), "asian": ((.98, .90, .72), (.8, .98)),
             "black": ((1.25, 1.2, 1.15), (.9, 1.5)), "indian": ((.60, .47, .36), (.72, 1.0))}
SKINS = {("light", "female", "young"): 2, ("light", "male", "young"): 3, ("dark", "female", "young"): 1,
         ("dark", "male", "young"): 2, ("light", "female", "old"): 1, ("light", "male", "old"): 2,
         ("dark", "female", "old"): 1, ("dark", "male", "old"): 1}
MAKE_UP = {"female": (("plain", "rose", "red"), (.35, .4, .25)), "male": (("plain", "stubble"), (.72, .28))}
HAIR_COLOURS = {"wmelh": ("#2a1c14", "#4a2f1d", "#7a5230", "#c29a5b", "#8a3d1e", "#1d1512"),
                "asian": ("#120e0d", "#1d1614"), "black": ("#100c0b", "#1a1311"), "indian": ("#120e0c", "#1d1512")}
IRISES = {"wmelh": ("#3b2416", "#4f6b7d", "#4b5a33", "#2a1a10")}
DARK_IRISES = ("#1d110a", "#2a180e")
HAIR = {("male", False): ["short01"] * 4 + ["short02"] * 5 + ["short04"] * 5,
        ("male", True): ["short01"] * 5 + ["afro01"] * 2 + ["none"] * 4 + ["short04"],
        ("female", False): ["long01"] * 9 + ["braid01"] * 2 + ["ponytail01"],
        ("female", True): ["long01"] * 6 + ["afro01"] * 4 + ["braid01"] * 2}
SUIT = "suit:"  # before a tint in a concept's clothes
SHIRT = "#e9e9ea"
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """An area lamp nine decimetres from the head: angles in radians, power in watts, side in decimetres."""

    azimuth: float
    elevation: float
    power: float
    size: float
    colour: Colour


@dataclass(frozen=True)
class PortraitSpec:
    """Colours are linear; angles in radians; distances in decimetres, or in eye-to-crown heights where it says so.

    phenotype, shape, expression: settings of the body model by name. skin: tone, gender, age, which, make-up.
    shift: how far the camera looks above the face, in eye-to-crown heights. warm: -1 cool to 1 warm light.
    """

    seed: int
    phenotype: dict[str, float]
    shape: dict[str, float]
    expression: dict[str, float]
    smile: float
    skin: tuple[str, str, str, int, str]
    skin_tint: Colour
    hair: str
    hair_colour: Colour
    brow: str
    lash: str
    iris: Colour
    gaze: tuple[float, float]
    clothes: Colour
    suit: str
    suit_tint: Colour
    glasses: bool
    hat: str
    hat_colour: Colour
    yaw: float
    pitch: float
    roll: float
    distance: float
    shift: float
    background: np.ndarray
    lights: tuple[Light, ...]
    warm: float
    ambient: Colour


def linear(colour: str) -> np.ndarray:
    """ "#rrggbb" in sRGB -> linear [3]."""
    values = np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= .04045, values / 12.92, ((values + .055) / 1.055) ** 2.4)


def varied(rng: np.random.Generator, colour: str, spread: float = .08) -> Colour:
    bright = linear(colour) * rng.uniform(1 - 3 * spread, 1 + 3 * spread)
    return tuple(np.clip(bright + rng.uniform(-spread, spread, 3) * .1, 0, 1))


def one_of(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]


def draw_background(rng: np.random.Generator, colours: tuple[str, str], size: int = 64) -> np.ndarray:
    """A vertical blend with ten soft spots, linear [size, size, 3]."""
    top, bottom = map(linear, colours)
    height = np.linspace(0, 1, size)[:, None, None]
    picture = top * (1 - height) + bottom * height + np.zeros((size, size, 3))
    rows, columns = np.mgrid[:size, :size]
    for _ in range(10):
        x, y, radius = rng.random() * size, rng.random() * size, rng.uniform(3, 12)
        colour = (top if rng.random() < .5 else bottom) * rng.uniform(.6, 1.5)
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius * radius))[..., None] * .7
        picture = picture * (1 - spot) + colour * spot
    return picture.astype(np.float32)


def draw_phenotype(rng: np.random.Generator, person: Person) -> dict[str, float]:
    uniform = rng.uniform
    ancestry = np.clip(np.array(ANCESTRY[person.race]) + uniform(-.02, .1, 3), 0, 1)
    african, asian, caucasian = ancestry / ancestry.sum()
    return dict(gender=uniform(.0, .12) if person.gender == "male" else uniform(.88, 1.0),
                age=uniform(.86, 1.0) if person.age == "old" else uniform(.5, .66), muscle=uniform(.35, .65),
                weight=uniform(.3, .8), height=.5, proportions=uniform(.4, .8), cupsize=.4, firmness=.5,
                african=african, asian=asian, caucasian=caucasian)


def draw_shape(rng: np.random.Generator, labels: list[str]) -> dict[str, float]:
    """Small changes of the face, the same left and right."""
    shape = {}
    for label in labels:
        of_a_face = any(part in label for part in FACE_PARTS) and "tooth" not in label and "eyebag" not in label
        if of_a_face and not label.startswith("r-"):
            shape[label] = float(np.clip(rng.normal(0, .22), -.6, .6))
            if label.startswith("l-") and "r-" + label[2:] in labels:
                shape["r-" + label[2:]] = shape[label]
    return shape


def draw_expression(rng: np.random.Generator) -> tuple[float, dict[str, float]]:
    """(smile, facial actions)."""
    smile = max(0, rng.normal(.25, .3))
    return float(smile), dict(
        mouthSmileLeft=smile, mouthSmileRight=smile, cheekSquintLeft=smile * .5, cheekSquintRight=smile * .5,
        browInnerUp=max(0, rng.normal(0, .2)), eyeSquintLeft=rng.uniform(0, .25), eyeSquintRight=rng.uniform(0, .25))


def draw_lights(rng: np.random.Generator, azimuth: float, colour: Colour) -> tuple[Light, ...]:
    """Key, fill and rim light."""
    uniform = rng.uniform
    return (Light(azimuth, uniform(.3, .9), uniform(700, 1300), 4, colour),
            Light(-azimuth, uniform(0, .5), uniform(150, 450), 6, (.9, .95, 1)),
            Light(3.14 + uniform(-.6, .6), uniform(.3, .8), uniform(200, 700), 3, (1, 1, 1)))


def draw_portrait(seed: int, person: Person, concept: Concept, labels: list[str]) -> PortraitSpec:
    """Everything about one portrait. labels: the body model's local changes.

    The order of the draws is part of the recipe: with it the archive is rendered again, portrait by portrait.
    """
    rng = np.random.default_rng(seed)
    uniform, male, old, dark = rng.uniform, person.gender == "male", person.age == "old", person.race == "black"
    phenotype, shape = draw_phenotype(rng, person), draw_shape(rng, labels)
    smile, expression = draw_expression(rng)
    make_up, chances = MAKE_UP[person.gender]
    face, tone = str(rng.choice(make_up, p=chances)), "dark" if dark else "light"
    skin = (tone, person.gender, person.age, int(rng.integers(SKINS[tone, person.gender, person.age])), face)
    tints = {race: np.array(tint) * uniform(*spread) for race, (tint, spread) in SKIN_TINT.items()}
    hair_colour = linear(one_of(rng, HAIR_COLOURS[person.race])) * 2.2
    if old:
        hair_colour = np.array([1, 1, 1.02]) * uniform(.75, 1.25) * .75
    clothes = one_of(rng, concept.clothes)
    suit_tint, clothes = (clothes.removeprefix(SUIT), SHIRT) if clothes.startswith(SUIT) else ("", clothes)
    hat_colour = one_of(rng, concept.hat_colours) if concept.hat else ""
    hair = one_of(rng, HAIR[person.gender, dark] + (["none"] * 2 if male and old else []))
    if concept.hat and hair == "afro01":
        hair = "short01" if male else "long01"
    iris = linear(one_of(rng, IRISES.get(person.race, DARK_IRISES)))
    azimuth, warm = uniform(-.9, .9), uniform(-1, 1)
    key_colour = (1, .96 - .10 * warm, .92 - .28 * warm) if warm > 0 else (1 + .18 * warm, 1 + .06 * warm, 1)
    return PortraitSpec(
        seed=seed, phenotype=phenotype, shape=shape, expression=expression, smile=smile, skin=skin,
        skin_tint=tuple(np.clip(tints[person.race], 0, 2)), hair=hair,
        hair_colour=tuple(hair_colour if HAIRSTYLES.get(hair, True) else hair_colour * .45),
        brow=f"eyebrow{rng.choice([int(name[-3:]) for name in EYEBROWS]):03d}",
        lash="eyelashes01" if male else str(rng.choice(["eyelashes02", "eyelashes04"])), iris=tuple(iris),
        gaze=(uniform(-.05, .05), uniform(-.12, .12)), clothes=varied(rng, clothes),
        suit=f"{person.gender}_elegantsuit01" if suit_tint else "",
        suit_tint=tuple(linear(suit_tint) * uniform(.7, 1.3)) if suit_tint else (0, 0, 0),
        glasses=bool(rng.random() < concept.glasses), hat=concept.hat,
        hat_colour=varied(rng, hat_colour) if concept.hat else (0, 0, 0),
        yaw=float(rng.normal(0, .22)), pitch=rng.normal(.02, .08), roll=rng.normal(0, .05), distance=uniform(8.3, 10.0),
        shift=uniform(-.05, .15) + (.28 if concept.hat == "toque" else .12 if concept.hat else 0),
        background=draw_background(rng, concept.background), lights=draw_lights(rng, azimuth, key_colour),
        warm=float(warm), ambient=tuple(np.array([.12, .12, .13]) * uniform(.6, 1.6)))
