"""Scores of a part, kept in little space: the pixels that can be defects at all."""

import io
from typing import Any, NamedTuple, Self

import numpy as np

from cadnet_jax.inference.decision import PixelScores

LOWEST = 0.05  # score of any defect; pixels below are not kept


class KeptScores(NamedTuple):
    """Scores of the pixels above `LOWEST`, unchanged, in the order of the image.

    Attributes:
        shape: (H, W).
        places: int32 [N], index of each pixel in the flat image.
        values: as in `PixelScores`, [N] each; None as there.
    """

    shape: tuple[int, int]
    places: np.ndarray
    values: PixelScores

    @classmethod
    def of(cls, scores: PixelScores) -> Self:
        """Keeps the scores of one image, [H, W]."""
        height, width = scores.score.shape
        places = np.flatnonzero(scores.score > LOWEST).astype(np.int32)
        values = [
            None if array is None or array.ndim != 2 else array.ravel()[places]
            for array in scores
        ]
        return cls((height, width), places, PixelScores(*values))

    def restore(self) -> PixelScores:
        """Scores [H, W]; pixels that were not kept are background, with a score of 0.

        Verdicts are the same for thresholds of `LOWEST` and above.
        """
        return PixelScores(*map(self._fill, self.values))

    def _fill(self, values: Any | None) -> np.ndarray | None:
        if values is None:
            return None
        whole = np.zeros(self.shape, values.dtype)
        whole.ravel()[self.places] = values
        return whole

    def to_bytes(self) -> bytes:
        """An NPZ file."""
        fields = self.values._asdict().items()
        arrays = {name: array for name, array in fields if array is not None}
        file = io.BytesIO()
        np.savez_compressed(file, shape=self.shape, places=self.places, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            height, width = arrays['shape'].tolist()
            values = PixelScores(*(arrays.get(name) for name in PixelScores._fields))
            return cls((height, width), arrays['places'], values)
