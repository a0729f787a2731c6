"""A tiny imitation of the MVTec AD directory, as its authors publish it."""

import pathlib

import cv2
import numpy as np

# (H, W) of each object's images, in pixels; those of zippers are gray.
OBJECTS = {'bottle': (90, 90), 'pill': (64, 80), 'zipper': (102, 102)}
# Images in each folder; 70 images in all.
COUNTS = {'bottle': (14, 3, 5), 'pill': (12, 2, 6), 'zipper': (16, 4, 8)}
KINDS = {'bottle': 'broken_large', 'pill': 'crack', 'zipper': 'fabric_border'}
POSTURES = 4
SIDE = 12  # of a defect, in pixels


def posture(stem: str) -> int:
    """Which way the object of an image lies, 0 to 3; images of one are much alike."""
    return int(stem) % POSTURES


def draw(name: str, index: int, *, seed: int) -> np.ndarray:
    """A defect-free object on a noisy ground, BGR uint8 [H, W, 3]."""
    height, width = OBJECTS[name]
    rng = np.random.default_rng([seed, index])
    pixels = np.full((height, width, 3), 30, np.uint8)
    at = ((2, 2), (2, width // 2), (height // 2, 2), (height // 2, width // 2))
    y, x = at[posture(str(index))]
    pixels[y : y + height // 2 - 4, x : x + width // 2 - 4] = (60, 180, 220)
    noisy: np.ndarray = pixels + rng.integers(0, 25, pixels.shape, np.uint8)
    return noisy


def defect(index: int) -> tuple[slice, slice]:
    """Where defective image `index` has its defect."""
    return slice(20 + index, 20 + index + SIDE), slice(30 - index, 30 - index + SIDE)


def write_tiny_mvtec_ad(directory: pathlib.Path) -> pathlib.Path:
    """Writes `directory/mvtec_anomaly_detection` and returns it.

    Of each object: defect-free images for training and for testing, defective ones of
    one kind, in the numbers of COUNTS. Image i has posture i % 4.
    """
    root = directory / 'mvtec_anomaly_detection'
    for number, (name, counts) in enumerate(COUNTS.items()):
        folders = ('train/good', 'test/good', f'test/{KINDS[name]}')
        for seed, (folder, count) in enumerate(zip(folders, counts, strict=True)):
            for index in range(count):
                pixels = draw(name, index, seed=10 * number + seed)
                if seed == 2:
                    pixels[defect(index)] = (10, 10, 200)
                    mask = np.zeros(pixels.shape[:2], np.uint8)
                    mask[defect(index)] = 255
                    masks = f'{name}/ground_truth/{KINDS[name]}'
                    _write_png(root / masks / f'{index:03}_mask.png', mask)
                if name == 'zipper':
                    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
                _write_png(root / f'{name}/{folder}/{index:03}.png', pixels)
        (root / name / 'license.txt').write_text('CC BY-NC-SA 4.0\n')
    (root / 'readme.txt').write_text('MVTec AD\n')
    (root / '.DS_Store').write_bytes(b'\0')
    return root


def _write_png(path: pathlib.Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode('.png', pixels)[1].tobytes())
