"""What the gradient lab's events amount to: means, bands, and one sentence a figure, computed from the data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.gradient_lab.points import GRADIENTS, LossPoint, ScalePoint

BAND = (0.05, 0.95)


@dataclass(frozen=True)
class Band:
    """Mean and middle 90 % (of the runs themselves) at each place, [m]; counts [m]: of how many runs."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray


def loss_bands(points: Sequence[LossPoint]) -> dict[str, Band]:
    """gradient -> band over the runs that reached each step. A run that is not finite makes its steps' band nan."""
    bands = {}
    for gradient in GRADIENTS:
        by_step: dict[int, list[float]] = {}
        for point in points:
            if point.gradient == gradient:
                by_step.setdefault(point.step, []).append(point.loss)
        if by_step:
            bands[gradient] = band_of(np.array(sorted(by_step)), [by_step[step] for step in sorted(by_step)])
    return bands


def scale_bands(points: Sequence[ScalePoint]) -> dict[str, Band]:
    """gradient -> band over the noises at each timestep, in the order of sampling."""
    if not points:
        return {}
    return {gradient: band_of(points[0].timesteps, np.array([p.scales[gradient] for p in points]).T)
            for gradient in GRADIENTS}


def band_of(x: np.ndarray, values: Sequence[Sequence[float]]) -> Band:
    """values: for each place, one number a run."""
    rows = [np.array(v, float) for v in values]
    with np.errstate(invalid="ignore"):  # a run that left the finite numbers shows as nan
        mean, low, high = (np.array([f(row) for row in rows]) for f in (
            np.mean, lambda row: np.quantile(row, BAND[0]), lambda row: np.quantile(row, BAND[1])))
    return Band(x, mean, low, high, np.array([len(v) for v in values]))


def loss_sentence(points: Sequence[LossPoint]) -> str:
    """Which gradient ended lowest, by how much, in how many runs; says so when the bands overlap or a run broke."""
    last = max((p.step for p in points), default=0)
    ended = {(p.gradient, p.run): p.loss for p in points if p.step == last}
    runs = [run for run in sorted({run for _, run in ended}) if all((g, run) in ended for g in GRADIENTS)]
    if not last or not runs:
        return "No run of all three gradients has ended yet."
    losses = {g: np.array([ended[g, run] for run in runs]) for g in GRADIENTS}
    broken = [g for g in GRADIENTS if not np.isfinite(losses[g]).all()]
    order = sorted((g for g in GRADIENTS if g not in broken), key=lambda g: losses[g].mean())
    notes = [f"{g} left the finite numbers" for g in broken]
    if not order:
        return f"After {counted(last, 'step')} no gradient was left with a finite loss."
    best, *others = order
    bands = {g: band_of(np.array([last]), [losses[g]]) for g in order}
    if others:
        start = np.mean([p.loss for p in points if p.step == 0 and p.run in runs])
        wins = sum(all(losses[best][i] < losses[g][i] for g in others) for i in range(len(runs)))
        notes.insert(0, f"it was lowest in {wins} of {counted(len(runs), 'run')}; all began at {start:.3f} on average")
        if len(runs) == 1:
            notes.append("one run does not settle the order")
        elif close := [g for g in others if bands[g].low[0] <= bands[best].high[0]]:
            notes.append(f"its band overlaps that of {' and '.join(close)}, so these runs do not settle the order")
    against = ", ".join(f"{g} at {told(bands[g])}" for g in others)
    return (f"After {counted(last, 'step')} the {best} gradient ended lowest, at a loss of {told(bands[best])}"
            + (f"; {against}" if against else "") + f" (mean, middle 90 % of {counted(len(runs), 'run')}). "
            + "; ".join(notes).capitalize() + ".")


def told(band: Band) -> str:
    return f"{band.mean[-1]:.3f} ({band.low[-1]:.3f} to {band.high[-1]:.3f})"


def counted(n: int, name: str) -> str:
    return f"{n} {name}" + ("" if n == 1 else "s")


def scale_sentence(points: Sequence[ScalePoint]) -> str:
    """How far each gradient's mean scale spreads over the timesteps, flattest first."""
    bands = scale_bands(points)
    if not bands:
        return "No noise has been measured yet."
    spreads = {}
    for gradient, band in bands.items():
        used = band.mean[band.mean > 0]
        spreads[gradient] = used.max() / used.min() if len(used) and np.isfinite(used).all() else np.inf
    order = sorted(spreads, key=spreads.get)
    parts = [f"{rounded(spreads[g])} times for the {g} gradient" if np.isfinite(spreads[g])
             else f"without limit for the {g} gradient" for g in order]
    naive = bands["naive"]
    return (f"Over the {len(naive.x)} timesteps the mean scale differs by {', '.join(parts)} "
            f"({counted(len(points), 'noise')}); the naive one goes from {rounded(naive.mean[0])} at the first step "
            f"sampled to {rounded(naive.mean[-1])} at the last.")


def rounded(value: float) -> str:
    """Three digits that count, written out: "0.561", "8,000"."""
    return f"{float(f'{value:.3g}'):,.10g}"
