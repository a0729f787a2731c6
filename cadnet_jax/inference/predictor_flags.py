"""The flags by which scripts name the network that predicts, and what is a defect."""

from typing import TYPE_CHECKING, Any

from absl import flags

from cadnet_jax.path_flags import define_path
from cadnet_jax.ranges import ORIENTATION_COUNTS

if TYPE_CHECKING:
    from cadnet_jax.inference.predictor import Predictor

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


def define_predictor_flags() -> None:
    """Defines the flags of the network, --threshold and --min_area."""
    define_network_flags()
    define_threshold_flag()
    flags.DEFINE_integer(
        'min_area',
        1,
        'Area of the smallest defect, in pixels; smaller ones are left out.',
        lower_bound=1,
    )


def define_threshold_flag() -> None:
    """Defines --threshold."""
    flags.DEFINE_float(
        'threshold',
        None,
        'Score of any defect (1 minus the probability of the background; with head '
        'ooc the change score) above which a pixel is a defect. Default: a pixel has '
        'its most probable class; with head ooc the middle of tau_ok and tau_ng.',
        lower_bound=0.0,
    )


def define_network_flags(*, tile_size: bool = True) -> None:
    """Defines --workdir, --step, --tile_size and --orientations: what gives scores.

    Args:
        tile_size: whether there is such a flag; False: the script sets the tiles.
    """
    define_path(
        'workdir',
        'released',
        'Work directory of a run; released: the released weights.',
    )
    flags.DEFINE_string(
        'step', 'best', "Checkpoint: 'best', 'latest', or a number of training steps."
    )
    if tile_size:
        flags.DEFINE_integer(
            'tile_size',
            None,
            'Side of the tiles that larger images are predicted in, in pixels. '
            'Default: that of the training crops, 768 at most; for the released '
            'weights 192.',
            lower_bound=32,
        )
    flags.DEFINE_enum(
        'orientations',
        '1',
        [str(number) for number in ORIENTATION_COUNTS],
        'Orientations of each pair over which scores are averaged (test-time '
        'augmentation): 1: as it is; 2: also turned by 180 degrees; 4: all quarter '
        'turns; 8: also their mirror images. Takes as many times as long.',
    )


def load_predictor() -> 'Predictor':
    """The predictor that the parsed flags name.

    Without --threshold and --min_area its rule is the default one, and without
    --tile_size its tiles are.

    Raises:
        FileNotFoundError: see `restore.load_predictor`.
        ValueError: see there.
    """
    from cadnet_jax.inference import restore  # slow to import

    values = flags.FLAGS
    names = 'tile_size', 'threshold', 'min_area'
    given: dict[str, Any] = {
        name: values[name].value for name in names if name in values
    }
    return restore.load_predictor(
        values.workdir,
        values.step,
        orientations=int(values.orientations),
        **given,
    )
