"""Measures weights and plain differencing on sets that were not trained on.

    python experiments/measure_weights.py --choose=drawn \\
        --data=drawn=prepared/synthetic_pairs/1.2.0:val --data=x=prepared/x/1.0.0:test
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA = flags.DEFINE_multi_string(
    'data', None, 'A prepared set as NAME=DIR:SPLIT; give it once for each set.'
)
_CHOOSE = flags.DEFINE_list('choose', [], 'Sets that choose the thresholds.')
_MOST_FALSE = flags.DEFINE_float(
    'most_false', None, 'Most false regions per good image at a chosen threshold.'
)
_THRESHOLDS_OF = define_path(
    'thresholds_of', '', 'JSON of an earlier measurement, whose thresholds are taken.'
)
_LIMIT = flags.DEFINE_integer('limit', 0, 'Pairs of each set; 0: all.', lower_bound=0)
_REFERENCE = flags.DEFINE_enum(
    'reference',
    'as_is',
    ['as_is', 'other', 'self', 'gray'],
    "What the image is compared with: its reference, another pair's, itself, gray.",
)
_NUISANCE = flags.DEFINE_string(
    'nuisance',
    '',
    'Disturbance of the image alone: brightness (+25), gain (0.8), shift (2 pixels), '
    'turn (0.5 degrees), blur (1.2 pixels), noise (8 levels), pku (all), line (all).',
)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of what is drawn in the nuisance.')
_OUTPUT = define_path('output', 'weights.json', 'JSON for all scores.', is_file=True)
flags.mark_flag_as_required('data')
predictor_flags.define_network_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import measuring  # slow to import
    from cadnet_jax.files.atomic import write_json

    data_sets = [measuring.parse_data_set(text) for text in _DATA.value or ()]
    options = measuring.Options(
        _LIMIT.value, _REFERENCE.value, _NUISANCE.value, _SEED.value, _MOST_FALSE.value
    )
    predictor = predictor_flags.load_predictor()
    earlier = measuring.read(_THRESHOLDS_OF.value) if _THRESHOLDS_OF.value else None
    report = measuring.measure(
        predictor, data_sets, options, choose=_CHOOSE.value or (), earlier=earlier
    )
    write_json(pathlib.Path(_OUTPUT.value), report)
    print(f'{measuring.format_table(report)}\nWritten: {_OUTPUT.value}')


if __name__ == '__main__':
    cli.run(main)
