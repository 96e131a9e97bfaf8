"""How fast the page is: python -m benchmarks.app_speed

Seconds, medians of repeats, beside the mark of each: until the page can be used (a server of its own, a browser);
until a slider's change is drawn; to paint, judge and draw 8 + 8 images of a prompt; to draw the plots of 50 prompts.
The built-in model on this machine's processor: a GPU takes no part. Without chromium on the path the first two are left
out, and the command says so.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from benchmarks.machine import machine
from benchmarks.page_ready import answering, browser_page, measure, recorded_run_is_shown, served
from fairness_core.evaluation.compare import compare
from fairness_core.models.loading import Model, load_model
from fairness_core.plots import distribution_plot, joint_heatmap, outcome_bars
from fairness_core.report import markdown_table
from fairness_core.report.html import joint_frequencies
from fairness_core.results import PromptComparison
from fairness_core.runs import RunFolder, load_comparisons
from fairness_core.settings.attributes import ASSETS, load_attributes
from fairness_core.settings.prompts import prompt_for

RECORDED = ASSETS / "recorded" / "mini-short"
IMAGES, PROMPTS = 8, 50
MARKS = {"page ready": 10.0, "slider's change drawn": 0.5, f"compare {IMAGES} + {IMAGES} images": 12.0,
         f"plots of {PROMPTS} prompts": 1.0}


def times(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each repeat, after one that does not count."""
    work()
    return [timed(work) for _ in range(repeats)]


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare_images(model: Model) -> None:
    """What the page does for one prompt, on the recorded run's adapter: both sides' images, faces, similarities."""
    list(compare(model, [prompt_for("nurse")], range(IMAGES), 0, RunFolder(RECORDED).adapter,
                 sampling_steps=model.entry.sampling_steps, guidance_scale=model.entry.guidance_scale))


def many_prompts() -> list[PromptComparison]:
    """The recorded run's prompts again and again, each under a name of its own."""
    recorded = load_comparisons(RunFolder(RECORDED))
    return [renamed(recorded[i % len(recorded)], f"prompt {i}") for i in range(PROMPTS)]


def renamed(comparison: PromptComparison, prompt: str) -> PromptComparison:
    return replace(comparison, prompt=prompt, original=replace(comparison.original, prompt=prompt),
                   tuned=replace(comparison.tuned, prompt=prompt))


def draw_plots(comparisons: list[PromptComparison]) -> list[str]:
    """The comparison's three figures, as the browser gets them."""
    gender, race = (load_attributes()[name] for name in ("gender", "race"))
    (before, n_before), (after, n_after) = (
        joint_frequencies([getattr(c, side) for c in comparisons], [gender, race]) for side in ("original", "tuned"))
    figures = [distribution_plot(comparisons, gender, gender.class_names[0], 0.5), outcome_bars(comparisons, gender),
               joint_heatmap(None, before, after, gender, race, n_before, n_after)]
    return [figure.to_json() for figure in figures]


def slider_changes(repeats: int) -> list[float]:
    """Seconds until the other slider of an attribute has made room, in a browser."""
    with tempfile.TemporaryDirectory() as runs, browser_page() as page:
        with served(environment=os.environ | {"FAIRNESS_RUNS_DIR": runs}) as url:
            answering(url)
            recorded_run_is_shown(page, url)
            moved, other = (page.locator(f"#slider-gender-{name} input[type=number]") for name in ("female", "male"))

            def change(percent: int) -> float:
                began = time.perf_counter()
                moved.fill(str(percent))
                moved.press("Enter")
                page.wait_for_function("([box, value]) => box.value === value",
                                       arg=[other.element_handle(), str(100 - percent)], polling=10)
                return time.perf_counter() - began

            return [change(percent) for percent in range(10, 11 + repeats)][1:]


def run_all(repeats: int) -> dict[str, list[float]]:
    """Seconds by what was done, in the order of the marks."""
    names, found = list(MARKS), {}
    if shutil.which("chromium"):
        found[names[0]] = [measure()[1] for _ in range(repeats)]
        found[names[1]] = slider_changes(repeats)
    model = load_model("mini", device=torch.device("cpu"))
    found[names[2]] = times(lambda: compare_images(model), repeats)
    comparisons = many_prompts()
    found[names[3]] = times(lambda: draw_plots(comparisons), repeats)
    return found


def as_markdown(found: dict[str, list[float]], on: dict) -> str:
    rows = [[name, f"{median(found[name]):.2f} ({min(found[name]):.2f} to {max(found[name]):.2f})"
             if name in found else "not measured: there is no chromium here", f"{mark:g}"]
            for name, mark in MARKS.items()]
    return "\n".join([markdown_table(["what", "seconds", "mark"], rows), "",
                      f"Median (fastest to slowest) on {on['device']}, {on['threads']} threads of {on['cores']} cores; "
                      f"load {os.getloadavg()[0]:.1f}. No GPU takes part.", ""])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: torch's choice")
    args = parser.parse_args(arguments)
    if args.repeats < 1:
        parser.error("--repeats must be at least 1.")
    if args.threads:
        torch.set_num_threads(args.threads)
    print(as_markdown(run_all(args.repeats), machine(torch.device("cpu"))))


if __name__ == "__main__":
    main()
