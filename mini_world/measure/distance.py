"""Frechet distance of generated from rendered portraits, with the portraits' distance from themselves as its floor."""

import numpy as np

SPLITS = 20


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of two Gaussians fitted to features [n, d] and [m, d] (Heusel et al., NeurIPS 2017)."""
    means, covariances = [x.mean(0) for x in (a, b)], [np.cov(x, rowvar=False) for x in (a, b)]
    root_trace = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(0)).sum()
    return float(np.square(means[0] - means[1]).sum() + sum(map(np.trace, covariances)) - 2 * root_trace)


def distance_and_floor(generated: np.ndarray, rendered: np.ndarray, splits: int = SPLITS) -> dict[str, float]:
    """Mean distance of generated features from a random half of the rendered ones, and of the other half from it.

    Both sides have the same number of pictures in both figures, since fewer pictures look farther apart.
    """
    rng = np.random.default_rng(0)
    n = min(len(generated), len(rendered) // 2)
    distances, floors = [], []
    for _ in range(splits):
        order, drawn = rng.permutation(len(rendered)), rng.permutation(len(generated))[:n]
        half, other = rendered[order[:n]], rendered[order[n:2 * n]]
        distances.append(frechet_distance(generated[drawn], half))
        floors.append(frechet_distance(other, half))
    return {"distance": round(float(np.mean(distances)), 4), "floor": round(float(np.mean(floors)), 4), "pictures": n}
