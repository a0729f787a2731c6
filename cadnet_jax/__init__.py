"""Change-aware Siamese defect segmentation: image, reference -> class of each pixel.

    from cadnet_jax import load_predictor
    prediction = load_predictor()(image, reference)  # the released weights
    prediction = load_predictor(workdir)(image, reference)  # those of a training run

The names below are imported when they are first used, so that `import cadnet_jax`
starts no JAX: command lines show their help, and complain, at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cadnet_jax.inference.decision import Prediction
    from cadnet_jax.inference.predictor import load_predictor

__version__ = '0.1.0'
__all__ = ['Prediction', '__version__', 'load_predictor']


def __getattr__(name: str) -> Any:
    if name in ('Prediction', 'load_predictor'):
        from cadnet_jax.inference import predictor

        return getattr(predictor, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
