"""Calibrates on good parts of prepared pairs, and counts errors on other groups.

    python experiments/measure_line.py --data_dir=prepared/deep_pcb/1.1.0 \\
        --splits=train,val --calibrate=group00041,group13000 --output=line.jsonl

The same command resumes where it stopped. Differencing is also measured.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path('data_dir', None, 'Prepared pairs.', required=True)
_SPLITS = flags.DEFINE_list('splits', ['train', 'val'], 'Splits of the pairs.')
_CALIBRATE = flags.DEFINE_list(
    'calibrate',
    [],
    'Groups that calibrate; the others are tested. Default: all good parts calibrate, '
    'and escapes alone are counted.',
)
_NOT_GOOD = flags.DEFINE_multi_string(
    'not_good',
    [],
    'Name of a part that has a defect after all; it does not calibrate.',
)
_TARGET = flags.DEFINE_float('target', 0.01, 'Bound of false rejects.', 1e-6, 0.5)
_WINDOW = flags.DEFINE_integer(
    'window', 320, 'Side of the windows that are parts, in pixels; 0: whole pairs.', 0
)
_WINDOWS = flags.DEFINE_integer(
    'windows', 4, 'Largest number of good and of bad windows of an image.', 1
)
_NUISANCE = flags.DEFINE_string(
    'nuisance', '', 'Disturbance of whole pairs: see measure_weights.py.'
)
_REFERENCE_IS_GOOD = flags.DEFINE_bool(
    'reference_is_good', False, 'References of whole pairs, too, are good parts.'
)
_METHOD = flags.DEFINE_string('method', 'shift', 'Method of registration.')
_OUTPUT = define_path(
    'output', 'line.jsonl', 'File with a line for each part.', is_file=True
)
predictor_flags.define_network_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.benchmarks import line  # slow to import

    options = line.LineOptions(
        window=_WINDOW.value,
        windows=_WINDOWS.value,
        nuisance=_NUISANCE.value,
        reference_is_good=_REFERENCE_IS_GOOD.value,
        method=_METHOD.value,
        calibration_groups=tuple(_CALIBRATE.value),
    )
    predictor = predictor_flags.load_predictor()
    lines = line.score_line(
        predictor, _DATA_DIR.value, _SPLITS.value, options, _OUTPUT.value
    )
    rule = _CALIBRATE.value, _TARGET.value
    for row in line.line_table(lines, *rule, not_good=_NOT_GOOD.value):
        print(row)


if __name__ == '__main__':
    cli.run(main)
