"""How long the runs of a table learned, and what they were tested on, in words."""

from collections.abc import Iterable, Sequence

from cadnet_jax.runs.finished_runs import Result

# Section 4 of the paper; docs/synlcd.md has the data, synlcd_paper.cfg the steps.
PAPER_SCALE = (
    'The paper: 126,000 steps of one screen of 512 x 512 pixels from ImageNet weights; '
    '1,101.0 megapixels learned from, 471.9 tested on.'
)


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
    learned = _range(sum(result.data.class_pixels) / 1e6 for result in results)
    tested = _range(
        sum(scores['pixels'] for scores in result.metrics['classes'].values()) / 1e6
        for result in results
    )
    return (
        f'Scale of these runs: {steps} steps of {batch} crops of {crop} pixels a side '
        f'from {origin} weights; {learned} megapixels learned from, {tested} tested on.'
    )


def _range(values: Iterable[float]) -> str:
    """One number, or the smallest and the largest of several."""
    ends = sorted(set(values))
    texts = [f'{end:,}' if isinstance(end, int) else f'{end:,.1f}' for end in ends]
    return texts[0] if texts[0] == texts[-1] else f'{texts[0]} to {texts[-1]}'
