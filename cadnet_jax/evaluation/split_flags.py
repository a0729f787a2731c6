"""The flags by which scripts name the split that a network is tested or fitted on."""

from typing import TYPE_CHECKING

from absl import flags

from cadnet_jax.path_flags import define_path

if TYPE_CHECKING:
    from cadnet_jax.inference.predictor import Predictor

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


def define_split_flags(default: str, help: str) -> None:
    """Defines --data_dir, --split and --batch_size.

    Args:
        default: the split.
        help: what is done with the split.
    """
    define_path(
        'data_dir', '', 'Prepared data set. Default: the one that the run learned from.'
    )
    flags.DEFINE_string('split', default, help)
    flags.DEFINE_integer(
        'batch_size', 4, 'Pairs that go through the network together.', lower_bound=1
    )


def new_split(
    predictor: 'Predictor', *, allow_learned: bool | None = None
) -> tuple[str, str]:
    """The data set and the split that the parsed flags name.

    Args:
        predictor: the network.
        allow_learned: see `learned.check_new`.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: the network learned from a pair of the split, there is no such
            split, or a file is damaged.
    """
    from cadnet_jax.runs import learned  # slow to import

    data_dir = flags.FLAGS.data_dir or predictor.config.data.data_dir
    split = flags.FLAGS.split
    learned.check_new(predictor.workdir, data_dir, split, allow_learned=allow_learned)
    return data_dir, split
