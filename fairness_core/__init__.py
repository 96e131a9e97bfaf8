"""Finetuning text-to-image diffusion models for fairness (Shen et al., ICLR 2024).

What other programs use stands here: `from fairness_core import finetune, load_model, FinetuneConfig`. Each name is
imported when it is asked for, so that `import fairness_core` loads no torch.
"""

from importlib import import_module
from typing import Any

PUBLIC = {
    "FinetuneConfig": "settings.config", "LossWeights": "settings.config", "TargetDistribution": "settings.attributes",
    "load_attributes": "settings.attributes", "UserError": "errors",
    "prompt_for": "settings.prompts", "load_presets": "settings.presets",
    "available_models": "models.registry", "load_model": "models.loading",
    "finetune": "training.finetune", "compare": "evaluation.compare",
    "summarise": "metrics", "verdict": "metrics", "audit": "metrics.audit",
    "RunFolder": "runs", "convert": "adapters.conversion",
}
__all__ = list(PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
