"""Measures the peak memory of a training step and of predicting a large pair.

    python experiments/measure_memory.py --output=memory.json

Random weights and images; each measurement runs in a process of its own.
"""

from absl import flags

from cadnet_jax import cli, config

_SIZE = flags.DEFINE_integer('size', 4096, 'Side of the predicted pair, in pixels.')
_OUTPUT = flags.DEFINE_string('output', None, 'JSON file for the figures, in GB.')
config.define_flags('model', 'data')


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax import memory  # slow to import
    from cadnet_jax.image_files import write_json

    settings = config.from_flags()
    side, pairs = settings.data.crop_size, settings.data.batch_size
    training = memory.training_peak(settings)
    print(f'training, {pairs} pairs of {side} x {side}: {training:.2f} GB')
    prediction = memory.prediction_peak(settings, _SIZE.value)
    print(f'prediction, {_SIZE.value} x {_SIZE.value}: {prediction:.2f} GB')
    if _OUTPUT.value:
        write_json(_OUTPUT.value, {'training': training, 'prediction': prediction})


if __name__ == '__main__':
    cli.run(main)
