"""Finding the sheet of paper on a photo."""

import cv2
import numpy as np

STEP = 10  # grey levels between sheet and table, at least
BARE = 0.6  # of a sheet, at least, is empty
LEAST = 0.1  # of the picture; anything smaller is not a sheet


def find_sheet(picture: np.ndarray) -> np.ndarray:
    """(h, w) uint8 → (h, w) uint8, 1 on the sheet if a light one lies on something darker; else 1 everywhere.

    A sheet is convex, and its edge is sharp: a shadow's is not.
    """
    everything = np.ones_like(picture)
    side = max(picture.shape)
    wide = max(3, int(0.1 * side) | 1)
    # without the writing
    calm = cv2.medianBlur(picture, 5)
    bare = cv2.morphologyEx(calm, cv2.MORPH_CLOSE, np.ones((wide, wide), np.uint8))
    level, light = cv2.threshold(bare, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    contours, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return everything
    outline = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if area < LEAST * picture.size or cv2.contourArea(outline) < 0.93 * area or not _is_sharp(bare, outline):
        return everything
    sheet = cv2.fillConvexPoly(np.zeros_like(picture), hull, 1)
    if (calm[sheet > 0] > level).mean() < BARE:  # a bold light digit
        return everything
    near = max(2, round(0.008 * side))
    return cv2.erode(sheet, np.ones((2 * near + 1,) * 2, np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)


def _is_sharp(bare: np.ndarray, outline: np.ndarray) -> bool:
    """Whether it gets darker within a few pixels along most of the outline that is not the picture's border."""
    height, width = bare.shape
    x, y = outline[:, 0, 0], outline[:, 0, 1]
    reach = max(3, round(0.012 * max(bare.shape)))
    within = (x > reach) & (y > reach) & (x < width - 1 - reach) & (y < height - 1 - reach)
    if within.sum() < 0.1 * max(bare.shape):
        return False
    kernel = np.ones((2 * reach + 1,) * 2, np.uint8)
    steps = (cv2.dilate(bare, kernel).astype(int) - cv2.erode(bare, kernel))[y[within], x[within]]
    kernel = np.ones((6 * reach + 1,) * 2, np.uint8)
    wide = (cv2.dilate(bare, kernel).astype(int) - cv2.erode(bare, kernel))[y[within], x[within]]
    return float(((steps > STEP) & (steps > 0.6 * wide)).mean()) > 0.8
