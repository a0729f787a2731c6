"""Puts the weights of a training run into the package.

    python experiments/release_weights.py --workdir=WORKDIR --card=CARD.md

It writes weights.safetensors and CARD.md into cadnet_jax/weights/released_weights, and
the SHA-256 of the weights into cadnet_jax/weights/released.py and the card. Commit the
three files together.
"""

import pathlib

import environment  # noqa: F401
from absl import flags

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_WORKDIR = define_path(
    'workdir', None, 'Work directory of a training run.', required=True
)
_STEP = flags.DEFINE_string(
    'step', 'best', "Checkpoint: 'best', 'latest', or a number of training steps."
)
_CARD = define_path(
    'card', None, 'Model card; with the row "| SHA-256 | `` |".', required=True
)
_THRESHOLD = flags.DEFINE_float(
    'threshold',
    None,
    "Probability of a defect above which a pixel is one. Default: the run's own, which "
    'follows from --defect_odds.',
)


def main(argv: list[str]) -> None:
    del argv
    from cadnet_jax.inference.restore import load_predictor  # slow to import
    from cadnet_jax.runs.workdir import read_dataset_info
    from cadnet_jax.weights import released

    predictor = load_predictor(_WORKDIR.value, _STEP.value)
    threshold = _THRESHOLD.value
    if threshold is None:
        threshold = 1 / (1 + predictor.config.loss.defect_odds)
    data = read_dataset_info(_WORKDIR.value)
    weights = released.Released(
        config=predictor.config,
        class_names=data.class_names,
        dataset=data.name,
        step=predictor.step,
        threshold=threshold,
        variables=dict(predictor.variables),
    )
    digest = released.write(weights, pathlib.Path(_CARD.value).read_text())
    size = released.weights_path().stat().st_size
    print(f'Written: {released.weights_path()} ({size:,} bytes, SHA-256 {digest})')


if __name__ == '__main__':
    cli.run(main)
