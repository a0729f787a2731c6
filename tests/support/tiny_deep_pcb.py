"""A tiny imitation of the DeepPCB directory, as its authors publish it."""

import pathlib

import cv2
import numpy as np

SIZE = (48, 56)  # (H, W) of every pair, in pixels
GROUPS = ('00041', '13000')


def write_tiny_deep_pcb(
    directory: pathlib.Path, *, trainval: int = 12, test: int = 3
) -> pathlib.Path:
    """Writes `directory/PCBData` and returns it.

    Pair i of trainval.txt, then of test.txt, has the id GROUP/GROUP00i with the groups
    taken in turn; a square of 5x5 pixels of class 1 + i % 6 at y = 20, x = 6 + i % 40,
    and one of class 5 at y = 36, x = 40, whose box is written with commas.
    """
    root = directory / 'PCBData'
    lines = [_write_pair(root, index) for index in range(trainval + test)]
    (root / 'trainval.txt').write_text('\n'.join(lines[:trainval]) + '\n')
    (root / 'test.txt').write_text('\n'.join(lines[trainval:]) + '\n')
    return root


def _write_pair(root: pathlib.Path, index: int) -> str:
    group = GROUPS[index % 2]
    images, boxes = root / f'group{group}/{group}', root / f'group{group}/{group}_not'
    images.mkdir(parents=True, exist_ok=True)
    boxes.mkdir(parents=True, exist_ok=True)
    template = np.zeros(SIZE, np.uint8)
    template[8:14] = 255
    tested, x = template.copy(), 6 + index % 40
    tested[20:25, x : x + 5] = 255
    tested[36:41, 40:45] = 255
    name = f'{group}{index:03}'
    if index == 1:  # a few of the published images are RGB
        tested = np.stack([tested] * 3, axis=-1)
    for kind, pixels in (('test', tested), ('temp', template)):
        path = str(images / f'{name}_{kind}.jpg')
        assert cv2.imwrite(path, pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    (boxes / f'{name}.txt').write_text(
        f'{x - 5} 15 {x + 10} 30 {1 + index % 6}\n35,31,50,46,5\n\n'
    )
    return f'group{group}/{group}/{name}.jpg group{group}/{group}_not/{name}.txt'
