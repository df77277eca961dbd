"""Shares and their confidence intervals."""

from math import sqrt

Z = 1.96  # standard deviations around the mean that hold 95% of a normal distribution


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95% interval of a share (E. B. Wilson, 1927), which is also valid for small counts and near 0 and 1.

    From 0 to 1 if nothing was counted.
    """
    if not whole:
        return 0.0, 1.0
    share, grain = part / whole, Z**2 / whole
    middle = (share + grain / 2) / (1 + grain)
    half = Z * sqrt(share * (1 - share) / whole + grain / whole / 4) / (1 + grain)
    return max(0.0, middle - half), min(1.0, middle + half)
