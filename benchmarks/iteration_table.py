"""What `benchmarks.iteration` found out, as Markdown."""

import torch

from benchmarks.iteration_ways import PUBLISHED, STAGES
from benchmarks.memory import HOW
from fairness_core.report import markdown_table

NO_GPU = " No GPU took part: nothing here tells of one."


def as_markdown(result: dict) -> str:
    """A table of the ways, one of the floors, one of the stages, and what they were measured on.

    Where it was stopped before all ways had a turn, the table has those that had.
    """
    settings, on, load = result["settings"], result["machine"], result["load"]
    base, memory = result["ways"].get(PUBLISHED), result.get("memory", {})
    rows = [[way, f"{w['seconds']:.2f} ({w['fastest']:.2f} to {w['slowest']:.2f})",
             times(base, w, "seconds"), f"{w['processor_seconds']:.2f}", megabytes(memory.get(way))]
            for way, w in result["ways"].items()]
    floors = [[way, "{} + {}".format(*w["passes"]), f"{w['operations'] / 1e9:.0f}", f"{w['floor']:.2f}",
               f"{100 * w['floor'] / w['seconds']:.0f} %", times(base, w, "operations")]
              for way, w in result["ways"].items()]
    stages = [[stage, *(share(w, stage) for w in result["ways"].values())] for stage in STAGES]
    device = torch.device(settings["device"]).type
    fewer = f", at last of {settings['fewer_steps']} sampling steps" if settings["fewer_steps"] else ""
    return "\n".join([
        markdown_table(["iteration", "seconds", "times faster", "processor seconds", "peak memory, MiB"], rows), "",
        markdown_table(["U-Net alone", "passes an image, forward + backward", "GFLOP", "floor, s", "reached",
                        "times faster by operations"], floors), "",
        markdown_table(["share of the time", *result["ways"]], stages), "",
        f"{settings['model']}, {settings['images']} images, {settings['sampling_steps']} sampling steps, "
        f"{' x '.join(settings['attributes'])}, {settings['precision']}; as tuned: {settings['timesteps']} timesteps "
        f"carry gradient{fewer}. The engine paints a prompt's originals once ({result['originals_seconds']:.2f} s, not "
        f"counted), the published way at every iteration. Published: micro-batches of {settings['micro_batch']}. "
        f"Floor: the U-Net's operations over the rate of a matrix product, {result['matrix_rate'] / 1e9:.0f} GFLOP/s; "
        f"decoder, critics and text encoder are left out of it. Sampling once, without any gradient, would be "
        f"{result['sampling_limit']:.2f} times faster by operations: no choice of timesteps gets beyond. "
        f"Median of {settings['repeats']} turns (fastest to slowest) on {on['device']}, {on['threads']} threads of "
        f"{on['cores']} cores, torch {on['torch']}; load {load['before']:.1f} before, {load['after']:.1f} after. "
        f"Memory: {HOW[device]}.{NO_GPU if device == 'cpu' else ''}", ""])


def times(base: dict | None, way: dict, what: str) -> str:
    """How many times less than the published way."""
    return "-" if base is None else f"{base[what] / way[what]:.2f}"


def megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def share(way: dict, stage: str) -> str:
    total = sum(way["stages"].values())
    return f"{100 * way['stages'][stage] / total:.1f} %"
