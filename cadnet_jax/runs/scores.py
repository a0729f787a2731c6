"""What metrics.json holds: the scores of an evaluation, and how it was made."""

from typing import Any, NotRequired, TypedDict


class ClassScores(TypedDict):
    """The scores of one class, as fractions; None where undefined."""

    iou: float | None
    accuracy: float | None  # which is the recall
    fscore: float | None
    precision: float | None
    recall: float | None
    pixels: int  # labeled


class Scores(TypedDict):
    """Scores of pixels; see `evaluation.metrics.scores`."""

    classes: dict[str, ClassScores]
    miou: float | None
    macc: float | None
    mfscore: float | None
    defect_iou: float | None
    defect_accuracy: float | None


class Summary(Scores):
    """Scores of pixels and regions; see `evaluation.metrics.summarize`."""

    defect_hit_rate: float | None
    false_regions_per_image: float | None


class BoxScores(TypedDict):
    """Scores of boxes; see `evaluation.box_scores`.

    ap33, f33, precision33, recall33: by DeepPCB's script, at an IoU above 0.33.
    ap50, ap50_95, ap85: by COCO's rule, means over the classes.
    labels, found: boxes.
    """

    ap33: float | None
    f33: float | None
    precision33: float | None
    recall33: float | None
    ap50: float | None
    ap50_95: float | None
    ap85: float | None
    labels: int
    found: int


class ReviewScores(TypedDict):
    """Good windows that need no review; see `evaluation.thresholds.review`.

    escapes: share of bad windows that may pass.
    passed: share of good windows that pass, at a limit chosen on all windows.
    held_out_passed, held_out_escaped: at limits chosen on windows of other images; None
        where one image has all bad windows.
    """

    escapes: float
    passed: float
    held_out_passed: float | None
    held_out_escaped: float | None


class WindowScores(TypedDict):
    """Windows as parts; see `evaluation.windows`.

    side: of a window, in pixels.
    good, bad: windows.
    found_at: share of false windows -> share of defects found.
    review: for each share of escapes.
    """

    side: int
    good: int
    bad: int
    found_at: dict[str, float | None]
    review: list[ReviewScores]


class PairScores(TypedDict):
    """Scores of one pair, or of a group of pairs.

    group: its group.
    defect_iou, defects, hits, false_regions: its pixels and regions, see
        `evaluation.metrics`.
    boxes: its boxes, where they were asked for.
    """

    group: str
    defect_iou: float | None
    defects: int
    hits: int
    false_regions: int
    boxes: NotRequired[BoxScores]


class BoxMetrics(TypedDict):
    """What `evaluate.py --boxes` adds to metrics.json.

    rule: how boxes are made, see `evaluation.boxes.BoxRule`.
    one_class: whether all defects count as one class.
    scores, windows: of all pairs.
    """

    rule: dict[str, Any]
    one_class: bool
    scores: BoxScores
    windows: WindowScores


class GroupMetrics(TypedDict):
    """Groups (products) of the evaluated split; see `evaluation.learned_groups`.

    tested: how many; pairs that are a group of their own are not counted.
    learned: how many of them the network learned from; None where that is not known.
    at_least: how many it is known to have learned from.
    """

    tested: int
    learned: int | None
    at_least: int


class Metrics(Summary):
    """What metrics.json holds.

    dataset, split: what was evaluated.
    step: of the weights.
    tile_size, orientations, threshold, min_area: how (see `Predictor` and `Rule` in
        `inference`); files of earlier versions may lack them.
    parameters: trained ones of the network.
    gmacs: 1e9 multiply-adds of a pair or a tile.
    groups: whose pairs they are; files of earlier versions, and evaluations during
        training, lack it.
    boxes: where boxes were asked for.
    group_scores: of each group that is more than a pair, by its name; only beside
        `groups`, where one process evaluates.
    pair_scores: of each pair in the same way, by its id.
    """

    dataset: str
    split: str
    step: int
    tile_size: NotRequired[int]
    orientations: NotRequired[int]
    threshold: NotRequired[float | None]
    min_area: NotRequired[int]
    parameters: int
    gmacs: float | None
    groups: NotRequired[GroupMetrics]
    boxes: NotRequired[BoxMetrics]
    group_scores: NotRequired[dict[str, PairScores]]
    pair_scores: NotRequired[dict[str, PairScores]]
