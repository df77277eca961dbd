"""A camera above a plane: its view in perspective, light and shadows, what gets before the lens, blur, noise, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np

from training.scene import Plane, noise

GAMMA = 2.2
SKIN = [(0.68, 0.42, 0.3), (0.55, 0.3, 0.2), (0.3, 0.15, 0.09), (0.75, 0.5, 0.4), (0.12, 0.06, 0.04)]


@dataclass(frozen=True)
class View:
    """Where the camera stands: `homography` takes mm on the plane to pixels of the picture, (width, height)."""

    homography: np.ndarray
    size: tuple[int, int]

    def region(self) -> tuple[np.ndarray, np.ndarray]:
        """The corners, in mm, of the smallest upright part of the plane that holds all of the picture."""
        width, height = self.size
        seen = self.to_desk(np.array([(0, 0), (width, 0), (width, height), (0, height)], float))
        return seen.min(0) - 1, seen.max(0) + 1

    def to_desk(self, pixels: np.ndarray) -> np.ndarray:
        """(n, 2) pixels → (n, 2) mm."""
        return cv2.perspectiveTransform(pixels[:, None].astype(float), np.linalg.inv(self.homography))[:, 0]


def stand(middle: np.ndarray, frame: float, size: tuple[int, int], turn: float, tilt: tuple[float, float]) -> View:
    """Above `middle`, so far that the shorter side shows `frame` mm; turned and tilted by degrees."""
    a, b, c = np.radians([*tilt, turn])
    around_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    around_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turned = around_x @ around_y @ around_z
    width, height = size
    focal = 1.1 * max(size)
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    pose = np.column_stack([turned[:, 0], turned[:, 1], -turned[:, :2] @ middle + [0, 0, focal * frame / min(size)]])
    return View(lens @ pose, size)


def look(plane: Plane, view: View) -> np.ndarray:
    """The plane as the lens shows it, (h, w, 3) float32."""
    to_mm = np.array([[1 / plane.scale, 0, plane.origin[0]], [0, 1 / plane.scale, plane.origin[1]], [0, 0, 1]])
    return cv2.warpPerspective(
        plane.pixels, view.homography @ to_mm, view.size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )


def light(seen: np.ndarray, gradient: float, shadow: float, rng: np.random.Generator) -> None:
    """Light that comes from one side (`gradient`: the share that is lost across), and soft shadows of that depth."""
    height, width = seen.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)
    around = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * rng.uniform(0, 0.35)
    lamp = (1 - gradient * (0.5 + along)) * (1 - around)
    if shadow:
        for _ in range(rng.integers(1, 3)):
            lamp *= 1 - shadow * rng.uniform(0.6, 1) * _shadow((height, width), rng)
    tint = 1 + rng.uniform(-0.12, 0.12) * np.array([1, 0, -1], np.float32)
    seen *= (lamp[..., None] * tint).astype(np.float32)


def _shadow(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(h, w): 1 in the shadow of a hand, a phone or a head, which falls in from one side."""
    height, width = shape
    side = rng.uniform(0, 2 * np.pi)
    middle = np.array([width, height]) * (0.5 + rng.uniform(0.35, 0.6) * np.array([np.cos(side), np.sin(side)]))
    sizes = np.array([width, height]) * rng.uniform(0.2, 0.55, 2)
    mask = np.zeros(shape, np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(mask, (tuple(middle.tolist()), tuple((2 * sizes).tolist()), rng.uniform(0, 180)), 255, -1)
    else:
        cv2.fillConvexPoly(
            mask,
            cv2.boxPoints((tuple(middle.tolist()), tuple((2 * sizes).tolist()), rng.uniform(0, 180))).astype(np.int32),
            255,
        )
    small = cv2.resize(mask, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), min(shape) * rng.uniform(0.008, 0.06) / 4)
    return cv2.resize(soft, (width, height)).astype(np.float32) / 255


def hold(seen: np.ndarray, keep: tuple[np.ndarray, np.ndarray], count: int, rng: np.random.Generator) -> None:
    """Fingers come in from the picture's edge, and none into `keep`, (low, high) in pixels."""
    skin = np.array(SKIN[rng.integers(len(SKIN))], np.float32)
    height, width = seen.shape[:2]
    side, thick = rng.integers(4), min(height, width) * rng.uniform(0.1, 0.17)
    at = rng.uniform(0.15, 0.85)
    for _ in range(count):
        x, y = [(0, at * height), (width, at * height), (at * width, 0), (at * width, height)][side]
        room = [keep[0][0], width - keep[1][0], keep[0][1], height - keep[1][1]][side] - 0.9 * thick
        length = min(room, rng.uniform(0.08, 0.3) * min(height, width))
        inward = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)][side]) + rng.normal(0, 0.15, 2)
        if length > 0:
            _finger(seen, np.array([x, y]), np.array([x, y]) + inward * length, thick, skin * rng.uniform(0.9, 1.1))
        at += 1.25 * thick / (height if side < 2 else width)


def _finger(seen: np.ndarray, start: np.ndarray, tip: np.ndarray, thick: float, skin: np.ndarray) -> None:
    """A rounded cylinder with its shadow and a nail."""
    height, width = seen.shape[:2]
    direction = (tip - start) / np.linalg.norm(tip - start)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = (x - start[0]) * direction[0] + (y - start[1]) * direction[1]
    across = np.abs((y - start[1]) * direction[0] - (x - start[0]) * direction[1])
    length = np.linalg.norm(tip - start)
    beyond = np.maximum(along - length, 0)
    off = np.sqrt(across**2 + beyond**2) / (thick / 2)
    seen *= (1 - 0.45 * np.clip(1.35 - off, 0, 0.35) / 0.35)[..., None]  # its shadow
    round_ = np.sqrt(np.clip(1 - off**2, 0, 1))
    cover = np.clip((1 - off) * thick / 4, 0, 1)[..., None]
    shade = (0.55 + 0.45 * round_)[..., None] * skin
    nail = np.clip(1.2 - np.sqrt((across / (0.3 * thick)) ** 2 + ((along - length) / (0.4 * thick)) ** 2), 0, 1) * 0.25
    shade = shade * (1 - nail[..., None]) + nail[..., None] * np.float32([0.8, 0.6, 0.55])
    seen[:] = seen * (1 - cover) + cover * shade


def blur(seen: np.ndarray, defocus: float, motion: float, rng: np.random.Generator) -> np.ndarray:
    """`defocus` is a standard deviation in pixels, `motion` the way that the hand moved, in pixels."""
    if defocus > 0.3:
        seen = cv2.GaussianBlur(seen, (0, 0), defocus)
    if motion > 1:
        side = 2 * int(np.ceil(motion / 2)) + 3
        kernel = np.zeros((side, side), np.uint8)
        angle, middle = rng.uniform(0, np.pi), (side - 1) / 2
        reach = motion / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(np.round((middle + sign * reach) * 16).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(kernel, *ends, 255, 1, cv2.LINE_AA, 4)
        seen = cv2.filter2D(seen, -1, kernel / kernel.sum(dtype=np.float32), borderType=cv2.BORDER_REPLICATE)
    return seen


def expose(seen: np.ndarray, side: int, exposure: float, grain: float, rng: np.random.Generator) -> np.ndarray:
    """(h, w, 3) uint8 RGB, the longer side of `side` pixels, with the sensor's noise (`grain`: grey levels)."""
    scale = side / max(seen.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(seen, None, fx=scale, fy=scale, interpolation=how)
    brightest = max(np.quantile(sized[::8, ::8].max(2), 0.9), 0.2)  # a dark board stays dark
    bright = np.clip(sized * exposure / brightest, 1e-4, 1)
    encoded = 255 * bright ** (1 / GAMMA)
    shape = encoded.shape[:2]
    shot = rng.standard_normal(encoded.shape, np.float32) + 0.7 * noise(shape, rng, 2.5)[..., None]
    return np.clip(encoded + grain * shot * (1.3 - 0.6 * bright), 0, 255).astype(np.uint8)


def to_jpeg(photo: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
