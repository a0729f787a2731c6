"""The one way from a pair of images to a mask.

Evaluation, scripts and notebooks all go through `OrientedNetwork.predict`: by
`predict_batch`, or by a call for one pair, which adds the list of defects, or by a
`ReferencePredictor`, which has encoded the reference before.
"""

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from cadnet_jax.config import Config
from cadnet_jax.inference.decision import (
    PixelScores,
    Prediction,
    Rule,
    decide,
    predict_pair,
)
from cadnet_jax.inference.orientations import Encoded, OrientedNetwork
from cadnet_jax.inference.tiled_network import (
    LARGEST_TILE,
    Progress,
    TiledNetwork,
    default_margin,
)
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.heads import HEADS, Head
from cadnet_jax.ranges import ORIENTATION_COUNTS
from cadnet_jax.weights import released

OUT_OF_CLASS_NAMES = ('background', 'defect')


class PixelMaps(NamedTuple):
    """What is predicted of each pixel of a batch.

    Attributes:
        mask: uint8 [B, H, W], classes.
        scores: what the mask follows from.
    """

    mask: np.ndarray
    scores: PixelScores

    @property
    def score(self) -> np.ndarray:
        """Score of any defect, float32 [B, H, W]."""
        score: np.ndarray = self.scores.score
        return score

    @property
    def distance(self) -> np.ndarray | None:
        """DistMap, float32 [B, H, W]."""
        return self.scores.distance

    @property
    def probabilities(self) -> np.ndarray | None:
        """See `PixelScores`."""
        return self.scores.probabilities


@dataclasses.dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network that marks the defects of a pair.

    Attributes:
        config: of the run; its head and thresholds say what the network's answer means.
        model: the network, compiled once for each size of images.
        variables: its 'params' and 'batch_stats'.
        class_names: name of each id in the predicted masks, background first.
        workdir: where the variables come from.
        step: number of training steps that they have seen.
        tile_size: images with a longer side, in pixels, are predicted in tiles. The
            attention is global, so that the network does best at the size of the crops
            that it was trained on.
        tile_margin: pixels along the borders of a tile that are not used.
        rule: what is taken for a defect.
        orientations: 1, 2, 4 or 8 orientations of each pair, over which scores are
            averaged (see `OrientedNetwork`).
    """

    config: Config
    model: nn.Module
    variables: Mapping[str, Any]
    class_names: tuple[str, ...]
    workdir: str
    step: int
    tile_size: int
    tile_margin: int
    rule: Rule
    orientations: int = 1

    def __post_init__(self) -> None:
        if self.orientations not in ORIENTATION_COUNTS:
            raise ValueError(
                f'orientations is {self.orientations}; it must be 1, 2, 4 or 8.'
            )
        if self.tile_margin < 0 or self.tile_size <= 2 * self.tile_margin:
            raise ValueError(
                f'tile_size is {self.tile_size} and tile_margin {self.tile_margin}: '
                'a tile must be larger than its two margins.'
            )
        if self.head.answer == 'classes' and (self.rule.threshold or 0) >= 1:
            raise ValueError(
                f'threshold is {self.rule.threshold}; it must be in [0, 1): no '
                'probability is higher.'
            )

    def __call__(
        self,
        image: np.ndarray,
        reference: np.ndarray,
        *,
        progress: Progress | None = None,
    ) -> Prediction:
        """Marks the defects of one pair, of any size.

        Args:
            image: the inspected one, uint8 [H, W, 3] RGB or [H, W] gray.
            reference: defect-free, aligned with it, of the same height and width.
            progress: is called with the number of pixels that were predicted since.

        Raises:
            ValueError: an image is not of that kind, or the sizes differ.
        """
        images = _check_image('image', image)[None]
        references = _check_image('reference', reference)[None]
        maps = self.predict_batch(images, references, progress=progress)
        return self._predict_first(maps.scores)

    def predict_batch(
        self,
        images: np.ndarray,
        references: np.ndarray,
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
    ) -> PixelMaps:
        """Classes, scores and DistMaps of pairs that have one size.

        Images with a side above `tile_size` go through in overlapping tiles, in memory
        that does not grow with them but for the result. What is predicted of a pair
        does not depend on the others.

        Args:
            images: the inspected ones, uint8 [B, H, W, 3] RGB.
            references: uint8 [B, H, W, 3].
            with_probabilities: return the probabilities of all classes, too: 4 bytes a
                pixel and class more.
            progress: is called with the number of pixels that were predicted since.

        Returns:
            NumPy arrays. `decision.decide` makes other masks of their scores.

        Raises:
            ValueError: the arrays are not of that kind, or their shapes differ.
        """
        _check_batch('images', images)
        _check_batch('references', references)
        _check_sizes(images, references.shape)
        if images.shape != references.shape:
            raise ValueError(
                f'there are {len(images)} images and {len(references)} references; '
                'there must be one for each, or see with_reference.'
            )
        scores = self._network.predict(
            images,
            references,
            with_probabilities=with_probabilities,
            progress=progress,
        )
        return self._decide(scores)

    def with_reference(self, reference: np.ndarray) -> 'ReferencePredictor':
        """A predictor for images that all have one reference, which is encoded once.

        Args:
            reference: defect-free, uint8 [H, W, 3] RGB or [H, W] gray.

        Raises:
            ValueError: it is not of that kind.
        """
        reference = _check_image('reference', reference)[None]
        return ReferencePredictor(
            self, reference.shape, self._network.encode(reference)
        )

    def _decide(self, scores: PixelScores) -> PixelMaps:
        """The classes that follow from scores; refused if they are not finite."""
        if not np.isfinite(scores.score).all():
            raise ValueError(
                f'{self.workdir}: the scores of step {self.step} are not finite, so '
                'they say nothing about defects; name other weights.'
            )
        return PixelMaps(decide(scores, self.rule), scores)

    def _predict_first(self, scores: PixelScores) -> Prediction:
        """The first pair of a batch."""
        first = PixelScores(*(None if x is None else x[0] for x in scores))
        return predict_pair(first, self.class_names, self.rule)

    @property
    def threshold(self) -> float | None:
        """See `Rule`."""
        return self.rule.threshold

    @property
    def head(self) -> Head:
        """What kind of network it is."""
        return HEADS[self.config.model.head]

    @property
    def has_one_class(self) -> bool:
        """Whether it tells no classes of defects apart."""
        return self.class_names == OUT_OF_CLASS_NAMES

    @functools.cached_property
    def _network(self) -> OrientedNetwork:
        loss = self.config.loss
        network = TiledNetwork(
            self.model,
            jax.device_put(self.variables),
            self.head,
            self.config.model.scales_distance,
            len(self.class_names),
            loss.defect_weight / loss.defect_odds,
            self.tile_size,
            self.tile_margin,
        )
        return OrientedNetwork(network, self.orientations)


@dataclasses.dataclass(frozen=True, eq=False)
class ReferencePredictor:
    """Marks the defects of images that all have one reference.

    It does what its `Predictor` does with that reference, up to rounding in float32,
    and saves the encoding of the reference: half of the encoder's work. The features
    take 16 bytes a pixel of the reference (variant b0), and more where tiles overlap;
    those of each orientation are kept.

    Attributes:
        predictor: the network.
        shape: of the reference, (1, H, W, 3).
        features: of the reference, for each orientation and batch of tiles in turn.
    """

    predictor: Predictor
    shape: tuple[int, ...]
    features: Encoded

    def __call__(
        self, image: np.ndarray, *, progress: Progress | None = None
    ) -> Prediction:
        """Marks the defects of an image of the reference's height and width.

        Args:
            image: uint8 [H, W, 3] RGB or [H, W] gray.
            progress: is called with the number of pixels that were predicted since.

        Raises:
            ValueError: it is not of that kind or size.
        """
        maps = self.predict_batch(_check_image('image', image)[None], progress=progress)
        return self.predictor._predict_first(maps.scores)

    def predict_batch(
        self,
        images: np.ndarray,
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
    ) -> PixelMaps:
        """Classes, scores and DistMaps; see `Predictor.predict_batch`.

        Args:
            images: uint8 [B, H, W, 3] RGB.
            with_probabilities: return those of all classes, too.
            progress: is called with the number of pixels that were predicted since.

        Raises:
            ValueError: they are not of that kind or size.
        """
        _check_batch('images', images)
        _check_sizes(images, self.shape)
        scores = self.predictor._network.predict(
            images,
            self.features,
            with_probabilities=with_probabilities,
            progress=progress,
        )
        return self.predictor._decide(scores)


def default_tile_size(config: Config, workdir: str | os.PathLike[str]) -> int:
    """Side of the tiles in pixels: that of the training crops, 768 at most.

    For the released weights it was chosen by measurement.
    """
    if released.is_released(workdir):
        return released.TILE_SIZE
    return min(config.data.crop_size, LARGEST_TILE)


def default_rule(config: Config) -> Rule:
    """The most probable class; of change scores, those above the middle of the taus."""
    if HEADS[config.model.head].answer == 'classes':
        return Rule()
    return Rule(threshold=(config.loss.tau_ok + config.loss.tau_ng) / 2)


def score_scale(config: Config) -> float:
    """What thresholds that are made for probabilities are multiplied by.

    1 for probabilities; for change scores (head 'ooc') twice the default threshold,
    which is then in the middle.
    """
    threshold = default_rule(config).threshold
    return 1.0 if threshold is None else 2 * threshold


def make_predictor(
    config: Config,
    class_names: tuple[str, ...],
    variables: Mapping[str, Any],
    *,
    workdir: str | os.PathLike[str],
    step: int,
    tile_size: int | None = None,
    threshold: float | None = None,
    min_area: int = 1,
    orientations: int = 1,
) -> Predictor:
    """A predictor of the given weights, trained on data with `class_names`.

    See `restore.load_predictor` for the keywords from `tile_size` on.
    """
    has_classes = HEADS[config.model.head].answer == 'classes'
    if tile_size is None:
        tile_size = default_tile_size(config, workdir)
    return Predictor(
        config=config,
        model=build_model(config.model, len(class_names)),
        variables=variables,
        class_names=class_names if has_classes else OUT_OF_CLASS_NAMES,
        workdir=str(workdir),
        step=step,
        tile_size=tile_size,
        tile_margin=default_margin(tile_size),
        rule=Rule(
            default_rule(config).threshold if threshold is None else threshold, min_area
        ),
        orientations=orientations,
    )


def _check_image(name: str, image: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3]; gray images are repeated to three channels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, 'dtype', type(image).__name__)
        raise ValueError(
            f'{name} must be a NumPy array of uint8 (0 to 255), not {kind}; convert '
            'it, for example np.round(255 * image).astype(np.uint8) if 1 is white.'
        )
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f'{name} has the shape {list(image.shape)}; it must be [H, W, 3] (RGB) or '
            '[H, W] (gray): drop other channels, for example image[..., :3].'
        )
    return image


def _check_batch(name: str, values: np.ndarray) -> None:
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[3] != 3:
        raise ValueError(
            f'{name} must be uint8 [B, H, W, 3], not {values.dtype} '
            f'{list(values.shape)}.'
        )


def _check_sizes(images: np.ndarray, reference: tuple[int, ...]) -> None:
    if images.shape[1:] != reference[1:]:
        raise ValueError(
            f'image is {list(images.shape[1:3])} and reference '
            f'{list(reference[1:3])} pixels [H, W]; a pair must have one size: '
            'align and crop the reference to the image.'
        )
