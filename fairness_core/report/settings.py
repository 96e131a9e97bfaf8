"""Target and settings of a run as rows of text."""

from fairness_core.plots import concept_name
from fairness_core.report.model_names import public_name
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.config import FinetuneConfig, to_plain

TARGET_FIELDS = ("marginals", "joint", "joint_attributes", "targets_by_prompt")


def target_rows(config: FinetuneConfig) -> list[list[str]]:
    """Label, class and target ratio of every controlled attribute, then of the prompts that have their own target."""
    own = config.own_targets().items()
    return rows_of(config.target()) + [row for prompt, target in own for row in rows_of(target, concept_name(prompt))]


def rows_of(target: TargetDistribution, concept: str = "") -> list[list[str]]:
    return [[f"{a.label}, {concept}" if concept else a.label, c.label, f"{100 * ratio:.3g} %"]
            for a in target.attributes for c, ratio in zip(a.classes, target.marginal(a.name), strict=True)]


def settings_rows(config: FinetuneConfig) -> list[list[str]]:
    """Every setting in words, but the target, which has its own table."""
    plain = to_plain(config) | {"model": public_name(config.model)}
    weights = {f"loss: {name}": value for name, value in plain.pop("losses").items()}
    for name in ("prompts", "kept_prompts", "film_prompts"):
        plain[name] = "; ".join(map(concept_name, plain[name]))
    kept = {name: value for name, value in plain.items() if name not in TARGET_FIELDS}
    return [[name.replace("_", " "), str(value)] for name, value in (kept | weights).items()]
