"""Moves the images of prepared pairs, and counts hits and false regions by method.

    python experiments/measure_registration.py --split=val --limit=20 \\
        --data_dir=prepared/synthetic_pairs/1.2.0
"""

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags
from cadnet_jax.path_flags import define_path

_DATA_DIR = define_path('data_dir', None, 'Prepared pairs.', required=True)
_SPLIT = flags.DEFINE_string('split', 'val', 'Split of the pairs.')
_LIMIT = flags.DEFINE_integer('limit', 20, 'Number of pairs.', lower_bound=1)
predictor_flags.define_network_flags()
predictor_flags.define_threshold_flag()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.benchmarks import registration_curve  # slow to import

    predictor = predictor_flags.load_predictor()
    threshold = predictor.threshold
    rows = registration_curve.measure_curve(
        predictor,
        _DATA_DIR.value,
        _SPLIT.value,
        limit=_LIMIT.value,
        threshold=0.5 if threshold is None else threshold,
    )
    print(registration_curve.format_rows(rows))


if __name__ == '__main__':
    cli.run(main)
