"""Ten clear digits, one of each, by which the server tells a network that works from one that does not: app/smoke.png.

cd backend && uv run python -m training.smoke        # writes it again, the same
"""

from pathlib import Path

import numpy as np

from app import imaging
from training.drawings import digit_sketch
from training.hand import Hand

FILE = Path(__file__).resolve().parent.parent / "app" / "smoke.png"
SEED = 3
# writes upright and without a wobble, with one medium pen
TIDY = Hand(wobble=0.004, slant=0.04, turn=1.0, narrow=0.65, wide=0.8, drift=0.005, pen=(0.08, 0.08), size=(0.7, 0.7))


def make() -> np.ndarray:
    """(28, 280) uint8: 0 to 9 side by side, white on black, prepared as a sketch would be."""
    rng = np.random.default_rng(SEED)
    prepared = [imaging.prepare(digit_sketch(digit, rng, TIDY)) for digit in range(10)]
    return np.round(255 * np.hstack(prepared)).astype(np.uint8)


if __name__ == "__main__":
    FILE.write_bytes(imaging.to_png(make()))
