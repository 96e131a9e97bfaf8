"""An engine double: the same functions, seeded cartoon faces, a run in a second or two."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from helpers.fake_lab import fake_lab
from helpers.fake_people import portrait
from helpers.fake_pictures import fake_audit
from safetensors.numpy import save_file

from app.engine import Engine
from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.models.files import Licence
from fairness_core.pictures.judge_entries import available_judges
from fairness_core.results import Baseline, ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.settings.prompt_length import PromptLength
from fairness_core.settings.prompts import prompt_for

ADAPTER = Path("adapter") / "pytorch_lora_weights.safetensors"
PLANTED = {"gender": (.2, .8), "race": (.7, .1, .1, .1), "age": (.6, .4)}
FULLY_TRAINED = 12  # steps after which the double paints its target


@dataclass(frozen=True)
class FakeModel:
    name: str = "mini"
    label: str = "Built-in portraits"


@dataclass(frozen=True)
class FakeEntry:
    name: str
    label: str
    note: str
    unavailable: str = ""
    licence: Licence = Licence("Public Domain", "https://example.org/licence", "Anything goes.")
    download_gb: float = 0.0
    needs_download: bool = False


@dataclass(frozen=True)
class FakePreset:
    name: str
    label: str
    description: str
    seconds_per_step: float | None
    config: FinetuneConfig
    kind: str = "length"
    budget_seconds: float | None = None


@dataclass
class Recorder:
    """What the double was asked to do, for tests to look at."""

    trained: list[str] = field(default_factory=list)
    compared: list[dict] = field(default_factory=list)
    worded: list[dict] = field(default_factory=list)


class Pace:
    """Holds a finetune before one of its steps until `go`: a test sees it in the middle, however slow the machine is."""

    def __init__(self, hold: int):
        self.hold, self.going = hold, threading.Event()

    def go(self) -> None:
        self.going.set()

    def __call__(self, step: int, should_stop: Callable[[], bool]) -> None:
        while step >= self.hold and not should_stop() and not self.going.wait(.02):
            pass


def image_set(prompt: str, numbers: Sequence[int], seed: int, ratios: dict[str, Sequence[float]]) -> ImageSet:
    """Faces whose attributes follow `ratios`; the draw depends on prompt, number and seed alone."""
    images, found, boxes, faces, probabilities = [], [], [], [], {name: [] for name in ratios}
    for number in numbers:
        random = np.random.default_rng([seed, number, *prompt.encode()])
        scene = tuple(int(c) for c in np.random.default_rng(list(prompt.encode())).integers(60, 200, 3))
        drawn = {}
        for name, ratio in ratios.items():
            drawn[name] = int(np.searchsorted(np.cumsum(ratio), random.random() * .999))
            sharp = random.uniform(.75, .98)
            p = np.full(len(ratio), (1 - sharp) / (len(ratio) - 1))
            p[drawn[name]] = sharp
            probabilities[name].append(p)
        images.append(portrait(random, drawn["gender"], drawn["race"], drawn["age"], scene))
        found.append(random.random() > .04)
        boxes.append([42, 28, 86, 88])
        faces.append(random.normal([3, *drawn.values()], .4))
    return ImageSet(prompt, tuple(numbers), np.array(images), np.array(found), np.array(boxes, float),
                    {name: np.array(p) for name, p in probabilities.items()},
                    np.array(faces) / np.linalg.norm(faces, axis=1, keepdims=True),
                    {"Glasses": np.array([("glasses", "no glasses")[n % 3 > 0] for n in numbers])})


def fake_finetune(recorder: Recorder, seconds: float, pace: Callable[[int, Callable[[], bool]], None]):
    def finetune(model: FakeModel, config: FinetuneConfig, folder: Path,
                 should_stop: Callable[[], bool] = lambda: False, resume: bool = False,
                 should_save: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        if any("explode" in p for p in config.prompts):
            raise RuntimeError("the gradient left the building")
        recorder.trained.append(config.prompts[0])
        state = folder / "checkpoint.json"
        first = json.loads(state.read_text(encoding="utf-8"))["step"] if resume and state.exists() else 0
        yield Started(first, config.steps)
        if not first:
            yield from film_strips(config, 0)
        random, step = np.random.default_rng(config.seed), first
        for step in range(first + 1, config.steps + 1):
            time.sleep(seconds)
            pace(step, should_stop)
            left = float(np.exp(-step / 8))
            yield StepDone(step, config.steps, seconds, config.prompts[step % len(config.prompts)],
                           {"total": 2 * left + 1 + .1 * random.random(), "alignment": 1.5 * left,
                            "semantics": .1 * (1 - left), "face": .3 * left},
                           {name: .3 * left + .03 * random.random() for name in config.target().names},
                           config.images_per_prompt, config.images_per_prompt - int(random.integers(0, 2)),
                           "no face found in any image" if step == 3 else "",
                           seen=faces(config, step), seen_before=faces(config, 0))
            if step % config.film_strip_every == 0:
                yield from film_strips(config, step)
            if step % config.checkpoint_every == 0 or should_save():
                yield Saved(step, save(folder, step, config))
            if should_stop():
                break
        yield Finished(step, "completed" if step == config.steps else "stopped", save(folder, step, config))
    return finetune


def film_strips(config: FinetuneConfig, step: int) -> Iterator[FilmStrip]:
    for place, prompt in enumerate(config.filmed):
        seen = image_set(prompt, range(4), config.seed, mixed(min(step / FULLY_TRAINED, 1), shares(config)))
        yield FilmStrip(step, prompt, seen.images, place, seen.found, seen.probabilities)


def faces(config: FinetuneConfig, step: int) -> dict[str, list[int]]:
    """Of a hundred faces, how many are of each class of what is controlled."""
    ratios = mixed(min(step / FULLY_TRAINED, 1), shares(config))
    return {name: [round(100 * share) for share in ratios[name]] for name in config.target().names}


def save(folder: Path, step: int, config: FinetuneConfig) -> Path:
    path = folder / ADAPTER
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.json").write_text(json.dumps({"step": step, "marginals": shares(config)}), encoding="utf-8")
    save_file({"step": np.array([step])}, path)
    return path


def shares(config: FinetuneConfig) -> dict[str, dict[str, float]]:
    target = config.target()
    return {a.name: dict(zip(a.class_names, target.marginal(a.name).tolist())) for a in target.attributes}


def mixed(progress: float, marginals: dict) -> dict[str, np.ndarray]:
    """From the planted ratios to the target's."""
    target = {name: list(classes.values()) for name, classes in marginals.items()}
    return {name: (1 - progress) * np.array(planted) + progress * np.array(target.get(name, planted))
            for name, planted in PLANTED.items()}


def fake_compare(recorder: Recorder, seconds: float):
    def compare(model: FakeModel, prompts: list[str], numbers: Sequence[int], seed: int, adapter: Path | None,
                strength: float = 1.0, sampling_steps: int = 10, guidance_scale: float = 3.0,
                should_stop: Callable[[], bool] = lambda: False) -> Iterator[PromptComparison]:
        recorder.compared.append({"prompts": prompts, "numbers": tuple(numbers), "seed": seed, "strength": strength})
        state = adapter.parent.parent / "checkpoint.json" if adapter else None
        trained = {"step": 0, "marginals": {}}
        if state and state.exists():
            trained = json.loads(state.read_text(encoding="utf-8"))
        after = mixed(min(trained["step"] / FULLY_TRAINED, 1) * min(strength, 1), trained["marginals"])
        for prompt in prompts:
            if should_stop():
                return
            if "explode" in prompt:
                raise RuntimeError("the gradient left the building")
            time.sleep(seconds)
            random = np.random.default_rng([seed, *prompt.encode()])
            scores = random.uniform(.75, .95, (4, len(tuple(numbers))))
            yield PromptComparison(prompt, "nurse" in prompt, image_set(prompt, numbers, seed, PLANTED),
                                   image_set(prompt, numbers, seed, after),
                                   scores[0] * .3, scores[1] * .3, scores[2], scores[3])
    return compare


def fake_baselines(recorder: Recorder, seconds: float):
    """Words work half of the way; a prompt with “landscape” is left alone."""
    def baselines(model: FakeModel, prompts: Sequence[str], numbers: Sequence[int], seed: int, target_of: Callable,
                  sampling_steps: int = 10, guidance_scale: float = 3.0,
                  should_stop: Callable[[], bool] = lambda: False) -> Iterator[tuple[str, Baseline]]:
        recorder.worded.append({"prompts": list(prompts), "numbers": tuple(numbers)})
        for prompt in prompts:
            if should_stop():
                return
            time.sleep(seconds)
            target, n = target_of(prompt), len(tuple(numbers))
            ratios = mixed(.5, {a.name: dict(zip(a.class_names, target.marginal(a.name))) for a in target.attributes})
            alone = "it names no person that is known here" if "landscape" in prompt else ""
            scores = np.random.default_rng([seed, *prompt.encode()]).uniform(.6, .9, (3, n))
            yield prompt, Baseline((prompt if alone else f"female {prompt}",) * n, alone,
                                   image_set(prompt, numbers, seed, PLANTED if alone else ratios),
                                   scores[0] * .3, scores[1], scores[2])
    return baselines


def fake_presets() -> list[FakePreset]:
    config = FinetuneConfig(steps=12, images_per_prompt=8, checkpoint_every=5, losses=LossWeights())
    return [FakePreset("mini-short", "Short", "Gender alone settles in this time.", .1, config),
            FakePreset("mini-medium", "Medium", "Enough for several attributes at once.", .1,
                       FinetuneConfig(steps=60, images_per_prompt=8)),
            FakePreset("mini-long", "Long", "Small gains, steadier.", .1,
                       FinetuneConfig(steps=600, images_per_prompt=8)),
            FakePreset("mini-race", "Race", "Race to equal shares on two occupations.", None, FinetuneConfig(
                steps=14, images_per_prompt=8, tune="tokens", prompts=tuple(map(prompt_for, ("chef", "judge"))),
                marginals={"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)}), "experiment")]


def fake_engine(seconds: float = .1, recorder: Recorder | None = None, pace: Pace | None = None) -> Engine:
    """seconds: of each step and comparison; pace: where a finetune waits for the test, nowhere unless given."""
    recorder, pace = recorder or Recorder(), pace or (lambda step, should_stop: None)
    entries = [FakeEntry("mini", "Built-in portraits", "synthetic people, not photographs"),
               FakeEntry("sd15", "Stable Diffusion 1.5", "photographs of the world",
                         "needs 6 GB of GPU memory; this machine has none: use the built-in model")]
    assert load_attributes().keys() == PLANTED.keys()
    return Engine(lambda: entries, lambda name: FakeModel(name), fake_presets,
                  fake_finetune(recorder, seconds, pace), fake_compare(recorder, seconds),
                  fake_baselines(recorder, seconds), fake_lab(seconds),
                  prompt_length=lambda model, prompt, reserved: PromptLength(len(prompt.split()), 75 - reserved),
                  judges=available_judges, audit=fake_audit(seconds))
