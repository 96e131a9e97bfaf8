"""How long an audit of pictures made elsewhere takes: python -m benchmarks.audit_pictures

Makes pictures of one size (the built-in model's own portraits, enlarged, on backgrounds of noise, each a little different),
packs them into a zip, and judges it as `python -m fairness_core audit` does. Prints how it goes, and what it took beside the
limit: 1,000 pictures of 512 pixels on two cores in 5 minutes.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image

from benchmarks.machine import machine
from fairness_core.pictures.judge_entries import available_judges
from fairness_core.pictures.judged import FACES, Judged, Progress
from fairness_core.pictures.judges import load_judge
from fairness_core.pictures.judging import judge_pictures
from fairness_core.runs import RunFolder, load_comparisons
from fairness_core.settings.attributes import ASSETS

LIMIT, TELL_EVERY = 300, 100  # seconds for the default number and size; pictures between two lines


def portraits() -> list[Image.Image]:
    """Those of a recorded run."""
    run = RunFolder(sorted((ASSETS / "recorded").glob("*/comparisons.json"))[0].parent)
    return [Image.fromarray(image) for comparison in load_comparisons(run) for image in comparison.original.images]


def pictures(number: int, side: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and PNG bytes; one in ten shows no person."""
    random, people = np.random.default_rng(seed), portraits()
    for i in range(number):
        noise = Image.fromarray(random.integers(90, 160, (side // 8, side // 8, 3), np.uint8)).resize((side, side))
        if i % 10:
            face = int(side * random.uniform(.6, 1))
            corner = tuple(int(c) for c in random.integers(0, side - face + 1, 2))
            noise.paste(people[i % len(people)].resize((face, face), Image.Resampling.BICUBIC), corner)
        data = io.BytesIO()
        noise.save(data, "PNG", compress_level=1)
        yield f"concept {i % 20}/{i:05d}.png", data.getvalue()


def measure(number: int, side: int, judge: str, faces: str) -> tuple[float, Judged]:
    """Seconds from the command to the figures, loading the judge included; and the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.zip"
        with ZipFile(path, "w") as packed:
            for name, data in pictures(number, side):
                packed.writestr(name, data)
        started = time.perf_counter()
        for told in judge_pictures([path], load_judge(judge), faces):
            if isinstance(told, Progress) and told.done % TELL_EVERY < 16:
                print(f"{told.done} of {told.total} pictures, {time.perf_counter() - started:.1f} s", flush=True)
        return time.perf_counter() - started, told


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_pictures", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", type=int, default=512, help="pixels of each side (default: 512)")
    parser.add_argument("--judge", default="built-in", choices=[judge.name for judge in available_judges()])
    parser.add_argument("--faces", default="largest", choices=list(FACES))
    given = parser.parse_args(arguments)
    seconds, judged = measure(given.pictures, given.size, given.judge, given.faces)
    here = machine(load_judge(given.judge).device)
    print(f"{judged.pictures} pictures of {given.size} pixels: {seconds:.1f} s, {1000 * seconds / judged.pictures:.0f} ms each, "
          f"{judged.faces_found} faces; {here['device']}, {here['threads']} threads")
    limit = LIMIT * given.pictures / 1000
    print(f"{'within' if seconds <= limit else 'BEYOND'} the limit of {limit:.0f} s")
    return 0 if seconds <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
