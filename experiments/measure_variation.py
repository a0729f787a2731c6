"""Measures a variation model of gray values, for comparison with a network.

    python experiments/measure_variation.py --data_dir=prepared/synlcd/mixed/3.0.0 \\
        --good_split='train[:98%]' --choose_split='train[98%:]' \\
        --test_good_split='test[25%:]' --test_split='test[:25%]'

It learns the mean and the deviation at each pixel from good images of a product, and
needs many of them. The labels of other products choose its threshold and its opening.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path('data_dir', None, 'Prepared data set.', required=True)
_GOOD = flags.DEFINE_string(
    'good_split',
    'train',
    'Split whose good images teach the products of --choose_split.',
)
_CHOOSE_SPLIT = flags.DEFINE_string(
    'choose_split', 'val', 'Split that chooses threshold and opening.'
)
_TEST_GOOD = flags.DEFINE_string(
    'test_good_split',
    'train',
    'Split whose good images teach the products of --test_split.',
)
_TEST_SPLIT = flags.DEFINE_string('test_split', 'test', 'Split that is tested.')


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation.gray_variation import Parts, measure_variation

    found = measure_variation(
        _DATA_DIR.value,
        Parts(_GOOD.value, _CHOOSE_SPLIT.value),
        Parts(_TEST_GOOD.value, _TEST_SPLIT.value),
    )
    print(
        f'more than {found["threshold"]:.1f} deviations, opened by {found["opening"]} '
        f'px (chosen on {_CHOOSE_SPLIT.value}); {found["pairs"]} pairs of '
        f'{_TEST_SPLIT.value}\n'
        f'  IoU of any defect {100 * found["iou"]:.1f} % (at its best threshold '
        f'{100 * found["best_iou"]:.1f} %), {100 * found["hit_rate"]:.1f} % of the '
        f'defects hit, {found["false_per_megapixel"]:.1f} false regions a megapixel'
    )


if __name__ == '__main__':
    cli.run(main)
