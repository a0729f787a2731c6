"""The verdict on a part (OK, NG or INVALID), from its scores and the rules.

`inference.decision` says which pixels are defects. Here these pixels are joined to
regions, which are measured and compared with the limits of their class. The network is
not needed, so a changed rule takes milliseconds.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.spatial
import skimage.measure

from cadnet_jax.inference.decision import PixelScores, Rule, decide
from cadnet_jax.inference.defects import Defect, find_defects
from cadnet_jax.inspection.fields import check, setting
from cadnet_jax.inspection.variation import Variation
from cadnet_jax.ranges import AT_LEAST_ONE, FRACTION, NOT_NEGATIVE, POSITIVE

OK, NG, INVALID = 'OK', 'NG', 'INVALID'


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits from which on a region is a defect; null: as in `Rules.any`."""

    threshold: float | None = setting(
        None,
        'Score of any defect above which a pixel is one, of its most probable class of '
        'defects. null for any class: a pixel has its most probable class, background '
        'among them.',
        range=NOT_NEGATIVE,
    )
    min_area: int | None = setting(
        None, 'Smallest area of a defect, in pixels (1).', range=AT_LEAST_ONE
    )
    min_area_mm2: float | None = setting(
        None, 'The same in mm^2; needs mm_per_pixel.', range=POSITIVE
    )
    min_length: float | None = setting(
        None,
        'A region whose longest side (of the smallest rectangle around it, at any '
        'angle) has this many pixels is a defect, also with a smaller area.',
        range=POSITIVE,
    )
    min_length_mm: float | None = setting(
        None, 'The same in mm; needs mm_per_pixel.', range=POSITIVE
    )

    def __post_init__(self) -> None:
        check(self)
        for name, metric in (('min_area', 'mm2'), ('min_length', 'mm')):
            if None not in (getattr(self, name), getattr(self, f'{name}_{metric}')):
                raise ValueError(
                    f'{name} and {name}_{metric} are both given; keep one of them.'
                )


@dataclasses.dataclass(frozen=True)
class Rules:
    """What makes a part NG."""

    any: Limits = dataclasses.field(
        default_factory=Limits, metadata={'help': 'Limits of a defect of any class.'}
    )
    classes: dict[str, Limits] = dataclasses.field(
        default_factory=dict,
        metadata={
            'help': 'Limits of single classes, by name; null in them is as in any.'
        },
    )
    mm_per_pixel: float | None = setting(
        None, 'Side of a pixel of the reference, in mm.', range=POSITIVE
    )
    join: int = setting(
        0,
        'Regions with at most this many pixels between them are one defect. It has the '
        'class of most of its pixels.',
        range=NOT_NEGATIVE,
    )
    edge_tolerance: int = setting(
        0,
        'A region that is nowhere farther than this many pixels from a contour of the '
        'reference is not a defect. Defects of structures that are narrower than twice '
        'this escape.',
        range=NOT_NEGATIVE,
    )
    deviations: float | None = setting(
        None,
        'A pixel is a defect only if its learned distance is more than this many '
        'spreads above the mean of the good parts at its place; needs the variation '
        'that calibrate.py finds. null: the distance does not matter.',
        range=NOT_NEGATIVE,
    )
    min_judged: float = setting(
        0.9,
        'Smallest share of the inspected pixels that the image must show; below it the '
        'part is INVALID.',
        range=FRACTION,
    )

    def __post_init__(self) -> None:
        check(self)
        named = {'any': self.any}
        named |= {f'classes.{name}': limits for name, limits in self.classes.items()}
        for name, limits in named.items():
            metric = limits.min_area_mm2 or limits.min_length_mm
            if metric and self.mm_per_pixel is None:
                raise ValueError(f'{name} has a limit in mm; give mm_per_pixel.')

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Refuses limits for classes that the network does not have.

        Args:
            class_names: classes of the network, background first.

        Raises:
            ValueError: names the first such class.
        """
        for name in self.classes:
            if name not in class_names[1:]:
                raise ValueError(
                    f'classes.{name}: no such class; the network has: '
                    f'{", ".join(class_names[1:])}.'
                )

    def with_threshold(self, threshold: float) -> 'Rules':
        """The same rules with one threshold for all classes."""
        classes = {
            name: dataclasses.replace(limits, threshold=None)
            for name, limits in self.classes.items()
        }
        limits = dataclasses.replace(self.any, threshold=threshold)
        return dataclasses.replace(self, any=limits, classes=classes)

    def threshold(self, name: str) -> float | None:
        """Threshold of a class; None: a pixel has its most probable class."""
        own = self.classes.get(name, Limits()).threshold
        return self.any.threshold if own is None else own

    def min_area(self, name: str) -> float:
        """Smallest area of a defect of a class, in pixels."""
        for limits in (self.classes.get(name, Limits()), self.any):
            if limits.min_area is not None:
                return limits.min_area
            if limits.min_area_mm2 is not None and self.mm_per_pixel:
                return limits.min_area_mm2 / self.mm_per_pixel**2
        return 1

    def min_length(self, name: str) -> float | None:
        """Smallest length of a defect of a class, in pixels; None: no such limit."""
        for limits in (self.classes.get(name, Limits()), self.any):
            if limits.min_length is not None:
                return limits.min_length
            if limits.min_length_mm is not None and self.mm_per_pixel:
                return limits.min_length_mm / self.mm_per_pixel
        return None


class Region(NamedTuple):
    """A region of pixels that are above their threshold.

    Attributes:
        defect: class, scores, box, area and centroid; see `defects.Defect`.
        length: longest side of the smallest rectangle around it, in pixels.
        is_defect: whether the region is a defect by the rules.
        rule: which rule decided that, in words.
    """

    defect: Defect
    length: float
    is_defect: bool
    rule: str


class Verdict(NamedTuple):
    """What the rules say about a part.

    Attributes:
        verdict: OK, NG or INVALID.
        reasons: sentences; none if the part is OK.
        regions: defects first, then the others; both from the largest down.
        mask: uint8 [H, W], class of the pixels of defects; 0 elsewhere.
        judged: share of the inspected pixels that were judged.
    """

    verdict: str
    reasons: tuple[str, ...]
    regions: tuple[Region, ...]
    mask: np.ndarray
    judged: float


def judge(
    scores: PixelScores,
    class_names: Sequence[str],
    rules: Rules,
    *,
    inspected: np.ndarray | None = None,
    shown: np.ndarray | None = None,
    contours: np.ndarray | None = None,
    variation: Variation | None = None,
) -> Verdict:
    """The verdict on one part.

    Args:
        scores: of one pair, [H, W].
        class_names: name of each class, background first.
        rules: what makes a part NG.
        inspected: bool [H, W], pixels that are to be judged; None: all.
        shown: bool [H, W], pixels that the image shows; None: all.
        contours: float32 [H, W], distance to the reference's nearest contour in pixels
            (`contour_distance`); needed for `edge_tolerance`.
        variation: of the good parts; needed for `deviations`.

    Raises:
        ValueError: contours or variation are missing, the network has no distance to
            compare with the variation, or change scores have no threshold.
    """
    if rules.edge_tolerance and contours is None:
        raise ValueError('edge_tolerance needs the contours of the reference.')
    everything = np.ones(scores.score.shape, bool)
    inspected = everything if inspected is None else inspected
    judged = inspected if shown is None else inspected & shown
    share = float(judged.sum() / max(1, inspected.sum()))
    mask = _classify(scores, class_names, rules)
    mask[~judged] = 0
    if rules.deviations is not None:
        mask[~_exceeds_variation(scores, rules.deviations, variation)] = 0
    labels = _join_regions(mask != 0, rules.join)
    found = find_defects(mask, scores.class_score, scores.score, class_names, labels)
    regions = []
    for number, defect in enumerate(found, 1):
        x_min, y_min, x_max, y_max = defect.box
        box = slice(y_min, y_max), slice(x_min, x_max)
        pixels = labels[box] == number
        away = None if contours is None else contours[box][pixels].max()
        region = _judge_region(defect, pixels, rules, away)
        mask[box][pixels] = defect.class_id if region.is_defect else 0
        regions.append(region)
    regions.sort(key=lambda region: (not region.is_defect, -region.defect.area))
    if fault := _find_fault(scores, judged, share, rules):
        return Verdict(INVALID, (fault,), tuple(regions), mask, share)
    reasons = tuple(_reasons(regions, rules))
    return Verdict(NG if reasons else OK, reasons, tuple(regions), mask, share)


def decisive_score(
    scores: PixelScores,
    class_names: Sequence[str],
    rules: Rules,
    *,
    lowest: float = 0.0,
    **context: Any,
) -> float:
    """The threshold at which a part stops being NG, under all other rules.

    It is the score of one of the part's pixels, or `lowest`. A higher threshold leaves
    fewer pixels, so with limits of the area that all classes share, the verdict changes
    only once. Where limits differ by class, or limit a length, a smaller region can be
    NG and a larger one not. The verdict can then change several times, and this is one
    of these thresholds.

    Args:
        scores: see `judge`.
        class_names: see `judge`.
        rules: what makes a part NG; their thresholds do not matter.
        lowest: smallest threshold that is tried.
        context: the keyword arguments of `judge`.
    """
    values = np.unique(scores.score[scores.score > lowest])
    values = np.concatenate([np.array([lowest], scores.score.dtype), values])

    def is_ng(index: int) -> bool:
        trial = rules.with_threshold(float(values[index]))
        regions = judge(scores, class_names, trial, **context).regions
        return any(region.is_defect for region in regions)

    # From the top, where there are few regions; at the highest score there are none.
    low, high, step = -1, len(values) - 1, 1
    while high - step > low and not is_ng(high - step):
        high, step = high - step, 2 * step
    low = max(low, high - step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_ng(middle) else (low, middle)
    return float(values[high])


def contour_distance(reference: np.ndarray) -> np.ndarray:
    """Distance of each pixel from the nearest contour (Canny edge), in pixels.

    Args:
        reference: uint8 [H, W, 3], RGB.

    Returns:
        float32 [H, W].
    """
    gray = cv2.GaussianBlur(cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY), (3, 3), 0)
    edges = cv2.Canny(gray, 50, 100)
    distance = cv2.distanceTransform((edges == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance, np.float32)


def _classify(
    scores: PixelScores, class_names: Sequence[str], rules: Rules
) -> np.ndarray:
    """The class of each pixel, by the threshold of its class."""
    thresholds = [rules.threshold(name) for name in class_names[1:]]
    if scores.defect_class.max(initial=0) >= len(
        class_names
    ):  # such a pixel would be lost
        raise ValueError(
            f'the scores have class {scores.defect_class.max()}, and there are names '
            f'of {len(class_names)}: {", ".join(class_names)}.'
        )
    mask = np.zeros(scores.score.shape, np.uint8)
    for threshold in dict.fromkeys(thresholds):
        decided = decide(scores, Rule(threshold))
        for class_id, own in enumerate(thresholds, 1):
            if own == threshold:
                mask[decided == class_id] = class_id
    return mask


def _exceeds_variation(
    scores: PixelScores, deviations: float, variation: Variation | None
) -> np.ndarray:
    """Where the learned distance exceeds the variation of good parts, bool [H, W]."""
    if variation is None or scores.distance is None:
        raise ValueError(
            'deviations needs the variation of good parts, which calibrate.py finds, '
            'and a network that has a learned distance.'
        )
    return variation.is_exceeded(scores.distance, deviations)


def _join_regions(pixels: np.ndarray, gap: int) -> np.ndarray:
    """Number of the region that each pixel belongs to, from 1; 0: no region.

    Args:
        pixels: bool [H, W], pixels of defects.
        gap: most pixels between two parts of one region.
    """
    labels, count = skimage.measure.label(pixels, connectivity=2, return_num=True)
    if not gap or count < 2:
        return np.asarray(labels)
    borders = np.argwhere(pixels & ~scipy.ndimage.binary_erosion(pixels))
    numbers = labels[tuple(borders.T)]
    near = scipy.spatial.KDTree(borders).query_pairs(gap + 1, output_type='ndarray')
    edges = np.ones(len(near), bool), (numbers[near[:, 0]], numbers[near[:, 1]])
    graph = scipy.sparse.coo_array(edges, shape=(count + 1, count + 1))
    _, joined = scipy.sparse.csgraph.connected_components(graph, directed=False)
    # The background, 0, touches nothing and stays the first component.
    return np.asarray(joined[labels])


def _judge_region(
    defect: Defect, pixels: np.ndarray, rules: Rules, away: float | None
) -> Region:
    """Compares a region with the limits of its class.

    Args:
        defect: the region.
        pixels: bool, shape of its box: which pixels of the box are its own.
        rules: the limits.
        away: largest distance of its pixels from a contour; None: not needed.
    """
    points = np.argwhere(pixels)[:, ::-1].astype(np.float32)
    length = float(max(cv2.minAreaRect(points)[1])) + 1
    min_area = rules.min_area(defect.class_name)
    min_length = rules.min_length(defect.class_name)
    tolerance = rules.edge_tolerance
    if tolerance and away is not None and away <= tolerance:
        return Region(defect, length, False, f'within {tolerance} px of a contour')
    if defect.area >= min_area:
        return Region(defect, length, True, f'area of at least {min_area:.4g} px')
    if min_length is not None and length >= min_length:
        return Region(defect, length, True, f'length of at least {min_length:.4g} px')
    return Region(defect, length, False, f'area below {min_area:.4g} px')


def _find_fault(
    scores: PixelScores, judged: np.ndarray, share: float, rules: Rules
) -> str:
    """Why the part cannot be judged; '' if it can."""
    if share < rules.min_judged or not judged.any():
        return (
            f'the image shows {share:.1%} of the inspected pixels '
            f'(limit {rules.min_judged:.1%})'
        )
    if not np.isfinite(scores.score).all():
        return 'the scores are not finite'
    return ''


def _reasons(regions: Sequence[Region], rules: Rules) -> list[str]:
    """A reason for each class that has defects; it describes the largest."""
    defects = [region for region in regions if region.is_defect]
    counts = Counter(region.defect.class_name for region in defects)
    largest: dict[str, Region] = {}
    for region in defects:
        largest.setdefault(region.defect.class_name, region)
    return [_reason(counts[name], region, rules) for name, region in largest.items()]


def _reason(count: int, region: Region, rules: Rules) -> str:
    """A reason: '1 short, 295 px (limit 40), score 0.97 (limit 0.80), at 1021, 380'."""
    name, area = region.defect.class_name, region.defect.area
    size = f'{area} px'
    limit = f'{rules.min_area(name):.4g}'
    if rules.mm_per_pixel:
        size += f' = {area * rules.mm_per_pixel**2:.3g} mm^2'
    text = f'{count} {name}, {"the largest " if count > 1 else ""}{size}'
    if region.rule.startswith('length'):
        text += f', {region.length:.0f} px long (limit {rules.min_length(name):.4g})'
    else:
        text += f' (limit {limit})'
    text += f', score {region.defect.defect_score:.2f}'
    if (threshold := rules.threshold(name)) is not None:
        text += f' (limit {threshold:.2f})'
    x, y = region.defect.centroid
    return f'{text}, at {x:.0f}, {y:.0f}'
