"""What metrics.json holds: the scores of an evaluation, and how it was made."""

from typing import NotRequired, TypedDict


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


class Metrics(Summary):
    """What metrics.json holds.

    dataset, split: what was evaluated.
    step: of the weights.
    tile_size, threshold, min_area: how (see `Predictor` and `Rule` in `inference`);
        files of earlier versions may lack them.
    parameters: trained ones of the network.
    gmacs: 1e9 multiply-adds of a pair or a tile.
    """

    dataset: str
    split: str
    step: int
    tile_size: NotRequired[int]
    threshold: NotRequired[float | None]
    min_area: NotRequired[int]
    parameters: int
    gmacs: float | None
