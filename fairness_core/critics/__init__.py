"""Networks that look at images: what they must be able to do, and where they come from."""

from fairness_core.critics.loading import load_critics
from fairness_core.critics.protocols import Critics, CriticsError, FaceClassifier, FaceEmbedder, ImageEncoder

__all__ = ["Critics", "CriticsError", "FaceClassifier", "FaceEmbedder", "ImageEncoder", "load_critics"]
