"""Finding the sheet of paper on a photo."""

import cv2
import numpy as np

from app.ink import CROSS


def find_sheet(picture: np.ndarray) -> tuple[slice, slice]:
    """(rows, columns) of the part that is paper, where a light sheet lies on something dark; else of everything."""
    everything = slice(0, picture.shape[0]), slice(0, picture.shape[1])
    _, light = cv2.threshold(cv2.medianBlur(picture, 5), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    contours, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if border.mean() > 0.4 or not contours:
        return everything
    outline = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    area, (width, height) = cv2.contourArea(hull), cv2.minAreaRect(hull)[1]
    # a rectangle without a notch, and no bar: bold digits are none
    is_sheet = (
        area > 0.2 * light.size
        and cv2.contourArea(outline) > 0.95 * area > 0.95 * 0.87 * width * height
        and max(width, height) < 2.2 * min(width, height)
    )
    if not is_sheet:
        return everything
    inside = cv2.fillConvexPoly(np.zeros_like(light), hull, 1)
    inside = cv2.erode(inside, CROSS, iterations=4, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    left, top, width, height = cv2.boundingRect(inside)
    bottom, right = top + height, left + width
    while bottom - top > 2 and right - left > 2:  # until all of it is paper
        part = inside[top:bottom, left:right]
        shares = part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()
        worst = int(np.argmin(shares))
        if shares[worst] == 1:
            break
        top, bottom, left, right = top + (worst == 0), bottom - (worst == 1), left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)
