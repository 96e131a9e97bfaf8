"""Arguments shared by the training scripts."""

import argparse
from pathlib import Path


def arguments(**defaults: int) -> argparse.Namespace:
    """--portraits, --more-portraits, --out, --start-from, and one integer option for each keyword."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--portraits", type=Path, required=True, help="portraits.zip")
    parser.add_argument("--more-portraits", type=Path, help="a second archive, all for the autoencoder, the U-Net and the classifiers")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, logs and the model")
    parser.add_argument("--start-from", type=Path, help="folder of a trained U-Net, or of both classifiers, to begin with")
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()
