"""Change-aware Siamese defect segmentation: image, reference -> class of each pixel.

    from cadnet_jax import load_predictor
    prediction = load_predictor()(image, reference)  # the released weights
    prediction = load_predictor(workdir)(image, reference)  # those of a training run

    from cadnet_jax import load_inspector
    inspection = load_inspector(recipe)(image)  # a verdict: docs/inspection.md

The names below are imported when they are first used, so that `import cadnet_jax`
starts no JAX: command lines show their help, and complain, at once.
"""

from typing import TYPE_CHECKING

__version__ = '0.1.0'
__all__ = [
    'Inspection',
    'Prediction',
    '__version__',
    'load_inspector',
    'load_predictor',
]

if TYPE_CHECKING:
    from cadnet_jax.inference.decision import Prediction
    from cadnet_jax.inference.restore import load_predictor
    from cadnet_jax.inspection.inspector import Inspection, load_inspector
else:

    def __getattr__(name: str) -> object:
        if name == 'Prediction':
            from cadnet_jax.inference.decision import Prediction

            return Prediction
        if name == 'load_predictor':
            from cadnet_jax.inference.restore import load_predictor

            return load_predictor
        if name in ('Inspection', 'load_inspector'):
            from cadnet_jax.inspection import inspector

            return getattr(inspector, name)
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
