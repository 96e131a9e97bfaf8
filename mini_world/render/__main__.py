"""Renders portraits and their metadata.csv.

python -m mini_world.render --makehuman FOLDER --out portraits --first 40000 --count 100
"""

import argparse
import csv
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from mini_world.portraits import CLASSES
from mini_world.render.concepts import Person, draw_planted, draw_uniform, load_concepts
from mini_world.render.makehuman import AssetsError, MakeHuman
from mini_world.render.spec import PortraitSpec, draw_portrait

EVERYBODY_FROM = 60_000  # from this number on all people of all concepts, in turn
COLUMNS = ("file_name", "concept", "group", "gender", "race", "age", "glasses", "smile", "warm", "yaw", "hair", "face",
           "hat", "biased")


def who(number: int) -> tuple[str, Person, bool]:
    """(concept, person, whether drawn from the concept's planted distribution) of a portrait's number: three of four
    are, below EVERYBODY_FROM."""
    names = list(load_concepts())
    if number >= EVERYBODY_FROM:
        everybody = [Person(*classes) for classes in product(*CLASSES.values())]
        return names[number % len(names)], everybody[(number - EVERYBODY_FROM) // len(names) % len(everybody)], False
    concept, biased = names[(number // 2) % len(names)], number % 2 == 0 or (number // 64) % 2 == 1
    rng = np.random.default_rng(777_000 + number)
    return concept, draw_planted(rng, load_concepts()[concept]) if biased else draw_uniform(rng), biased


def spec_of(number: int, labels: list[str]) -> PortraitSpec:
    """Everything about portrait `number`; labels: the body model's local changes."""
    concept, person, _ = who(number)
    return draw_portrait(100_000 + number, person, load_concepts()[concept], labels)


def record(number: int, spec: PortraitSpec) -> dict:
    """The row of metadata.csv."""
    concept, person, biased = who(number)
    values = (f"{number:06d}.webp", concept, load_concepts()[concept].group, person.gender, person.race, person.age,
              spec.glasses, round(spec.smile, 3), round(spec.warm, 3), round(spec.yaw, 3), spec.hair, spec.skin[-1],
              spec.hat, biased)
    return dict(zip(COLUMNS, values, strict=True))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mini_world.render", description="Renders synthetic portraits.")
    parser.add_argument("--makehuman", type=Path, required=True, help="folder with MakeHuman's CC0 files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures and metadata.csv")
    parser.add_argument("--first", type=int, default=40_000, help="the first portrait's number")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--samples", type=int, default=12, help="of light, for every pixel")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    try:
        assets = MakeHuman(args.makehuman)
        from mini_world.render.studio import Studio  # Blender and Anny, which nothing else needs
    except (AssetsError, ModuleNotFoundError) as error:
        hint = "" if isinstance(error, AssetsError) else " Install mini_world/requirements.txt (Python 3.11)."
        sys.exit(f"{error}{hint}")
    from PIL import Image
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "metadata.csv"
    is_new = not table.exists()
    with tempfile.TemporaryDirectory() as folder, table.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        studio = Studio(assets, Path(folder), size=args.size, samples=args.samples, threads=args.threads)
        for number in range(args.first, args.first + args.count):
            spec = spec_of(number, studio.body.labels)
            studio.render(spec, Path(folder) / "portrait.png")
            picture = Image.open(Path(folder) / "portrait.png").convert("RGB")
            picture.save(args.out / f"{number:06d}.webp", quality=93, method=5)
            writer.writerow(record(number, spec))
            file.flush()


if __name__ == "__main__":
    main()
