"""A tiny imitation of the PKU-Market-PCB directory, as its authors publish it."""

import pathlib

import cv2
import numpy as np

CLASSES = (
    'missing_hole',
    'mouse_bite',
    'open_circuit',
    'short',
    'spur',
    'spurious_copper',
)
# (H, W) of each board, in pixels. In squares of 64: 2x3, 2x2 (without resizing), 2x1,
# 1x2 and 3x1.
BOARDS = {
    '01': (130, 190),
    '04': (128, 128),
    '05': (100, 70),
    '06': (64, 128),
    '12': (200, 80),
}
SIZE = 64  # of the crops
SIDE = 9  # of a defect, in pixels


def defects(board: str, number: int) -> list[tuple[int, int]]:
    """(y, x) of the defects in photo `number`; the second one moves with it."""
    height, width = BOARDS[board]
    return [(12, 14), (height - 30, 8 + 7 * (number % 2) + (width - 64) // 2)]


def template(board: str) -> np.ndarray:
    """A green board with light tracks, BGR uint8 [H, W, 3]."""
    height, width = BOARDS[board]
    pixels = np.full((height, width, 3), (60, 110, 40), np.uint8)
    pixels[4 + int(board) :: 40] = (90, 160, 120)
    pixels[:, 6 + int(board) :: 50] = (90, 160, 120)
    return cv2.GaussianBlur(pixels, (5, 5), 0)


def write_tiny_pku_market_pcb(
    directory: pathlib.Path, *, images: int = 1
) -> pathlib.Path:
    """Writes `directory/PCB_DATASET` and returns it.

    Of each board and class there are `images` photos, with a dark square of 9x9 pixels
    at each place of `defects`.
    """
    root = directory / 'PCB_DATASET'
    (root / 'PCB_USED').mkdir(parents=True)
    for board in BOARDS:
        _write_jpeg(root / f'PCB_USED/{board}.JPG', template(board))
        for name in CLASSES:
            for number in range(1, images + 1):
                _write_photo(root, board, name, number)
    # What is published beside it, and what a desktop adds.
    (root / 'rotation/Short_rotation').mkdir(parents=True)
    (root / 'images/.DS_Store').write_bytes(b'\0')
    (root / 'images/Short/._01_short_01.jpg').write_bytes(b'\0')
    return root


def voc(
    board: str, name: str, number: int, boxes: list[tuple[int, int, int, int]]
) -> str:
    """The annotation of a photo; boxes are (xmin, ymin, xmax, ymax), from 1, closed."""
    height, width = BOARDS[board]
    objects = ''.join(
        f'\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n'
        f'\t\t<bndbox>\n\t\t\t<xmin>{x1}</xmin>\n\t\t\t<ymin>{y1}</ymin>\n'
        f'\t\t\t<xmax>{x2}</xmax>\n\t\t\t<ymax>{y2}</ymax>\n\t\t</bndbox>\n\t</object>\n'
        for x1, y1, x2, y2 in boxes
    )
    return (
        f'<annotation>\n\t<folder>{name.capitalize()}</folder>\n'
        f'\t<filename>{board}_{name}_{number:02}.jpg</filename>\n'
        f'\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n'
        f'\t\t<depth>3</depth>\n\t</size>\n{objects}</annotation>\n'
    )


def _write_photo(root: pathlib.Path, board: str, name: str, number: int) -> None:
    pixels = template(board)
    boxes = []
    for y, x in defects(board, number):
        pixels[y : y + SIDE, x : x + SIDE] = (10, 15, 10)
        boxes.append((x - 3, y - 3, x + SIDE + 4, y + SIDE + 4))
    stem = f'{name.capitalize()}/{board}_{name}_{number:02}'
    _write_jpeg(root / f'images/{stem}.jpg', pixels)
    annotation = root / f'Annotations/{stem}.xml'
    annotation.parent.mkdir(parents=True, exist_ok=True)
    annotation.write_text(voc(board, name, number, boxes))


def _write_jpeg(path: pathlib.Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1]
    path.write_bytes(data.tobytes())
