"""How long the runs of a table learned, and what they were tested on, in words."""

import re
from collections.abc import Iterable, Sequence

from cadnet_jax.runs.finished_runs import Result

# Section 4 of the paper; docs/synlcd.md has the data, synlcd_paper.cfg the steps.
PAPER_SCALE = (
    'The paper: 126,000 steps of one screen of 512 x 512 pixels from ImageNet weights; '
    '1,101.0 megapixels learned from, 471.9 tested on.'
)
_PERCENT_PART = r'\w+\[(?:(-?\d+)%)?:(?:(-?\d+)%)?\]'


def scale_note(results: Sequence[Result]) -> str:
    """A sentence on the scale of some runs, beside which their scores are read.

    Args:
        results: of one table, at least one.
    """
    steps = _range(result.config.train.steps for result in results)
    batch = _range(result.config.data.batch_size for result in results)
    crop = _range(result.config.data.crop_size for result in results)
    origins = {bool(result.config.train.init_from) for result in results}
    origin = ' or '.join('given' if given else 'random' for given in sorted(origins))
    shares = [_counted_share(result) for result in results]
    limit = 'at most ' if None in shares else ''
    learned = _range(
        sum(result.data.class_pixels) / 1e6 * (1 if share is None else share)
        for result, share in zip(results, shares, strict=True)
    )
    tested = _range(
        sum(scores['pixels'] for scores in result.metrics['classes'].values()) / 1e6
        for result in results
    )
    return (
        f'Scale of these runs: {steps} steps of {batch} crops of {crop} pixels a side '
        f'from {origin} weights; {limit}{learned} megapixels learned from, '
        f'{tested} tested on.'
    )


def _counted_share(result: Result) -> float | None:
    """The share that a run learned from of the pixels in its dataset.json.

    Those are of its pairs alone where it takes a part of the labels, but of the whole
    split where `train_split` is a part of one. None: a part such as 'train[:100]',
    whose share the files of a run do not tell.
    """
    data = result.config.data
    if data.takes_a_part or '[' not in data.train_split:
        return 1.0
    match = re.fullmatch(_PERCENT_PART, data.train_split)
    if not match:
        return None
    start, end = (
        default if text is None else int(text) + 100 * text.startswith('-')
        for text, default in zip(match.groups(), (0, 100), strict=True)
    )
    return (min(end, 100) - max(start, 0)) / 100


def _range(values: Iterable[float]) -> str:
    """One number, or the smallest and the largest of several."""
    ends = sorted(set(values))
    texts = [f'{end:,}' if isinstance(end, int) else f'{end:,.1f}' for end in ends]
    return texts[0] if texts[0] == texts[-1] else f'{texts[0]} to {texts[-1]}'
