"""Which of several defect-free images is most like a given one.

Like means: registered already, without any movement, since the network compares equal
places of image and reference. Images are reduced to 64x64 gray pixels, of mean 0 and
length 1; the score of two is their correlation coefficient, the sum of the products.
A defect is too small to change the order much; a turned or displaced object does.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 64


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is compared of an image, uint8 [H, W, 3]: float32 [4096].

    All 0 for an image of one color.
    """
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()
    gray -= gray.mean()
    return gray / max(float(np.linalg.norm(gray)), 1e-6)


def most_correlated(
    thumbnails: Mapping[str, NDArray[np.float32]],
    candidates: Mapping[str, NDArray[np.float32]],
) -> dict[str, str | None]:
    """For each id of `thumbnails` that of the candidate with the highest score.

    An image is no candidate for itself; None where there is no other. Of equal
    candidates the first one is taken.
    """
    ids = list(candidates)
    if not ids:
        return dict.fromkeys(thumbnails)
    scores = np.stack(list(thumbnails.values())) @ np.stack(list(candidates.values())).T
    best: dict[str, str | None] = {}
    for id, row in zip(thumbnails, scores, strict=True):
        if id in candidates:
            row[ids.index(id)] = -np.inf
        best[id] = ids[int(row.argmax())] if np.isfinite(row).any() else None
    return best
