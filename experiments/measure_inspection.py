"""Times inspection from files to verdicts beside the bare network.

python experiments/measure_inspection.py --count=2000
"""

import tempfile

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.inference import predictor_flags

_COUNT = flags.DEFINE_integer(
    'count', 2000, 'Number of images, of 512 x 512 pixels.', lower_bound=8
)
predictor_flags.define_network_flags()


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.benchmarks.inspection_speed import measure_speed  # slow to import

    predictor = predictor_flags.load_predictor()
    with tempfile.TemporaryDirectory() as folder:
        speeds = measure_speed(predictor, folder, _COUNT.value)
    for name, rate, memory in speeds:
        print(
            f'{name}: {rate:.2f} images a second, {rate / speeds[0].rate:.2f} of the '
            f'network, {memory:.2f} GB'
        )


if __name__ == '__main__':
    cli.run(main)
