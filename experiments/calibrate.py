"""Calibrates a recipe: finds the threshold that holds a false-reject rate.

    python experiments/calibrate.py --recipe=RECIPE --good=GOOD --bad=BAD

GOOD and BAD are folders of images, or CSV files with the column image. BAD is optional.
The threshold, its bound and the hashes of the files become the next revision.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_RECIPE = define_path('recipe', None, 'Folder of the recipe.', required=True)
_GOOD = define_path('good', None, 'Good parts.', required=True)
_BAD = define_path(
    'bad', None, 'Bad parts, among which escapes are counted (optional).'
)
_TARGET = flags.DEFINE_float(
    'target',
    0.01,
    'False-reject rate, as a share of the good parts, that the bound must not exceed.',
    lower_bound=1e-6,
    upper_bound=0.5,
)
_CONFIDENCE = flags.DEFINE_float(
    'confidence', 0.95, 'Confidence of the bounds.', lower_bound=0.5, upper_bound=0.9999
)
_DEVIATIONS = flags.DEFINE_float(
    'deviations',
    None,
    'Judge each place by its own spread over the good parts, too: a defect must be '
    'this many standard deviations above the mean. Default: as in the recipe.',
    lower_bound=0.0,
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inspection.calibrating import calibrate  # slow to import

    report = calibrate(
        _RECIPE.value,
        _GOOD.value,
        _BAD.value,
        target=_TARGET.value,
        confidence=_CONFIDENCE.value,
        deviations=_DEVIATIONS.value,
    )
    for line in report.lines():
        print(line)
    print(f'Written: {_RECIPE.value} (revision {report.recipe.revision})')


if __name__ == '__main__':
    cli.run(main)
