"""The flags by which scripts name the network that predicts, and what is a defect."""

from typing import TYPE_CHECKING

from absl import flags

from cadnet_jax.path_flags import define_path

if TYPE_CHECKING:
    from cadnet_jax.inference.predictor import Predictor

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


def define_predictor_flags() -> None:
    """Defines --workdir, --step, --tile_size, --threshold and --min_area."""
    define_path(
        'workdir',
        'released',
        'Work directory of a run; released: the released weights.',
    )
    flags.DEFINE_string(
        'step', 'best', "Checkpoint: 'best', 'latest', or a number of training steps."
    )
    flags.DEFINE_integer(
        'tile_size',
        None,
        'Side of the tiles that larger images are predicted in, in pixels. Default: '
        'that of the training crops, 768 at most; for the released weights 192.',
        lower_bound=32,
    )
    flags.DEFINE_float(
        'threshold',
        None,
        'Score of any defect (1 minus the probability of the background; with head '
        'ooc the change score) above which a pixel is a defect. Default: a pixel has '
        'its most probable class; with head ooc the middle of tau_ok and tau_ng.',
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        'min_area',
        1,
        'Area of the smallest defect, in pixels; smaller ones are left out.',
        lower_bound=1,
    )


def load_predictor() -> 'Predictor':
    """The predictor that the parsed flags name.

    Raises:
        FileNotFoundError: see `restore.load_predictor`.
        ValueError: see there.
    """
    from cadnet_jax.inference import restore  # slow to import

    values = flags.FLAGS
    return restore.load_predictor(
        values.workdir,
        values.step,
        tile_size=values.tile_size,
        threshold=values.threshold,
        min_area=values.min_area,
    )
