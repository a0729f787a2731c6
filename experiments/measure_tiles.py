"""Measures the speed and the scores of tiles of several sizes on prepared sets.

    python experiments/measure_tiles.py --tiling=96:12 --tiling=192:12 --limit=30 \\
        --data=boards=prepared/deep_pcb/1.1.0:val

The last column shows how far the influence of a tile's border reaches: the share of the
scores that it changes by more than 0.01, by the distance from it in pixels.
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA = flags.DEFINE_multi_string(
    'data', [], 'A prepared set as NAME=DIR:SPLIT; give it once for each set.'
)
_TILING = flags.DEFINE_multi_string(
    'tiling',
    ['96:12', '192:12', '384:12', '768:12'],
    'Side of the tiles, and margin along their borders that is not used, as '
    'SIZE:MARGIN in pixels; give it once for each.',
)
_LIMIT = flags.DEFINE_integer('limit', 30, 'Pairs of each set; 0: all.', lower_bound=0)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 5, 'Turns in which each is timed; 0: no timing.', lower_bound=0
)
_OUTPUT = define_path(
    'output', 'tiles.json', 'JSON file for all figures.', is_file=True
)
predictor_flags.define_network_flags(tile_size=False)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.evaluation import tile_sizes  # slow to import
    from cadnet_jax.evaluation.measuring import parse_data_set
    from cadnet_jax.files.atomic import write_json

    tilings = [tile_sizes.parse_tiling(text) for text in _TILING.value]
    data_sets = [parse_data_set(text) for text in _DATA.value]
    predictor = predictor_flags.load_predictor()
    speeds, rows = [], []
    if _ROUNDS.value:
        speeds = tile_sizes.time_tilings(predictor, tilings, rounds=_ROUNDS.value)
        print(f'{tile_sizes.format_speeds(speeds)}\n')
    if data_sets:
        rows = tile_sizes.measure_tilings(
            predictor, tilings, data_sets, limit=_LIMIT.value
        )
    write_json(_OUTPUT.value, {'speeds': speeds, 'sets': rows})
    if rows:
        print(f'{tile_sizes.format_tilings(rows)}\n')
    print(f'Written: {_OUTPUT.value}')


if __name__ == '__main__':
    cli.run(main)
