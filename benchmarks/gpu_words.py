"""What `benchmarks.gpu` found out, in words."""

from benchmarks.iteration_table import as_markdown as iteration_markdown
from fairness_core.report import markdown_table

TITLES = {"short": "Short on the built-in model", "waits": "Host waits a step", "sd21": "A step of Stable Diffusion 2.1",
          "iteration": "The published iteration and the engine's, Stable Diffusion 1.5 with random weights",
          "sdxl": "A step of Stable Diffusion XL", "sd35-medium": "A step of Stable Diffusion 3.5 Medium"}
WHOLE = {"short": "steps", "waits": "operations", "iteration": "ways"}  # what a record has when it is more than a beginning


def heading(result: dict) -> str:
    on = result["machine"]
    return f"# {on['device']}, torch {on['torch']}, ready after {result['start_seconds']:.0f} s"


def all_in_words(result: dict) -> str:
    return "\n".join([heading(result), "", *(as_markdown(name, part) for name, part in result["parts"].items())])


def as_markdown(name: str, part: dict) -> str:
    found = part["found"]
    told = {"short": short_markdown, "iteration": iteration_markdown, "waits": waits_markdown}.get(name, step_markdown)
    body = [told(found) if WHOLE.get(name, "seconds") in found else f"So far: {found['told']}."] if found else []
    body += [f"Not finished: {part['unfinished']}"] if part["unfinished"] else []
    return "\n\n".join([f"## {TITLES[name]} ({part['wall_seconds']:.0f} s)", *body, ""])


def short_markdown(found: dict) -> str:
    lines = [f"{found['steps']} of {found['of']} steps in {found['seconds']:.1f} s: {found['seconds_a_step']:.3f} s a step, "
             f"the first {found['seconds_of_the_first']:.1f} s. {found['memory']}"]
    if stages := found.get("stages"):
        lines.append(markdown_table(["stage", "seconds a step"], [[s, f"{v:.3f}"] for s, v in stages.items() if v]))
    rows = [[r["attribute"], *("{:.2f} ({:.2f} to {:.2f})".format(*r[f"bias_{side}"]) for side in ("original", "tuned")),
             f"{r['floor']:.2f}", str(r["prompt_count"]), str(r["images_a_prompt"])]
            for r in found.get("held_out", []) if r.get("controlled") and r["prompts"] == "held out"]
    if rows:
        lines.append(markdown_table(["held-out bias", "before", "after", "floor", "prompts", "images each"], rows))
    return "\n\n".join(lines)


def step_markdown(found: dict) -> str:
    return (f"{found['label']}, {found['pixels']} pixels, {found['images']} images, {found['sampling_steps']} sampling "
            f"steps, all with gradient, originals painted in the step: {found['seconds']:.2f} s, "
            f"{found['weights_gb']:.1f} GB held, {found['peak_gb']:.1f} GB at the peak. {found['memory']}")


def waits_markdown(found: dict) -> str:
    of_them = ", ".join(f"{name} {n}" for name, n in found["of_them"].items())
    elsewhere = found.get("elsewhere")
    more = "" if elsewhere is None else f" Elsewhere than allowed: {elsewhere or 'never'}."
    return f"{found['operations']:,} tensor operations, {found['reads']} host reads ({of_them}).{more}"
