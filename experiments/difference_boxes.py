"""Scores the boxes of plain differencing, to compare with a network (fit_boxes.py).

    python experiments/difference_boxes.py --data_dir=prepared/deep_pcb/1.1.0

Opening, threshold and margin are fitted on a training part; no network is used.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path('data_dir', None, 'Prepared data set.', required=True)
_FIT_SPLIT = flags.DEFINE_string('fit_split', 'val', 'Split that is fitted on.')
_SPLIT = flags.DEFINE_string('split', 'test', 'Split that is evaluated.')


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import box_evaluation, difference_boxes

    found = difference_boxes.measure_differencing(
        _DATA_DIR.value, _FIT_SPLIT.value, _SPLIT.value
    )
    print(
        f'opened by {found.opening} px, {found.rule.describe()} (their area in px)\n'
        f'  {box_evaluation.format_scores(found.scores)}'
    )


if __name__ == '__main__':
    cli.run(main)
