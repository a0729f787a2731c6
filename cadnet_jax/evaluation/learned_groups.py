"""How many of the tested groups (products) a network learned from.

Groups are told apart by their names. A name means the same group in all configurations
of a public set, such as `synlcd/line` and `synlcd/abpt`, but for own pairs only in the
same records.
"""

import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import DatasetInfo, read_info
from cadnet_jax.data.split_contents import read_groups, read_named_groups
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.runs.checkpoint import kept_steps
from cadnet_jax.runs.learned import learned_selection, origin_workdir
from cadnet_jax.runs.scores import GroupMetrics
from cadnet_jax.runs.workdir import (
    config_file,
    dataset_file,
    learned_file,
    origins,
    read_config,
    read_dataset_info,
    read_origin,
    workdir_of,
)
from cadnet_jax.weights import released

_OWN_PAIRS, _DRAWN = 'paired_folder', 'synthetic_pairs'
# Drawn screens show the training patterns of SynLCD, under other names.
_ALIKE = {_DRAWN, 'synlcd'}


class Learned(NamedTuple):
    """Groups that weights learned from.

    Attributes:
        groups: their names.
        complete: whether these are known to be all.
    """

    groups: frozenset[str]
    complete: bool


_NOTHING, _UNKNOWN = Learned(frozenset(), True), Learned(frozenset(), False)


class _Tested(NamedTuple):
    data_dir: str | pathlib.Path
    info: DatasetInfo


def learned_by_weights(
    init_from: str | pathlib.Path, data_dir: str | pathlib.Path
) -> Learned:
    """The groups of a data set that given first weights learned from.

    Args:
        init_from: as `--init_from` names them.
        data_dir: prepared data set; only its groups are looked for.

    Raises:
        FileNotFoundError: there is no prepared data set.
    """
    tested = _Tested(data_dir, read_info(data_dir))
    return _of_weights(workdir_of(init_from), tested)


def group_metrics(
    predictor: Predictor, data_dir: str | pathlib.Path, split: str
) -> GroupMetrics:
    """What metrics.json says of the groups of a split.

    Args:
        predictor: the network; its work directory tells what it learned from.
        data_dir: prepared data set.
        split: of it.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split, an empty split, or a damaged file.
    """
    tested = read_named_groups(data_dir, split)
    if not tested:
        return {'tested': 0, 'learned': None, 'at_least': 0}
    data = _Tested(data_dir, read_info(data_dir))
    found = (
        _of_weights(predictor.workdir, data)
        if released.is_released(predictor.workdir)
        else _of_run(predictor.workdir, predictor.config, data)
    )
    common = tested & found.groups
    known = found.complete or common == tested
    return {
        'tested': len(tested),
        'learned': len(common) if known else None,
        'at_least': len(common),
    }


def format_groups(groups: GroupMetrics) -> str:
    """A sentence for the reader; '' where no group has a name of its own."""
    tested, learned = groups['tested'], groups['learned']
    if not tested:
        return ''
    if learned is None and (some := groups['at_least']):
        return (
            f'At least {some} of {tested} groups {_are(some)} in the training part '
            'too, and not new to the network. For the others, this is not known.'
        )
    if learned is None:
        which = f'the {tested} groups are' if tested > 1 else 'the one group is'
        return f'It is not known whether {which} in the training part.'
    if not learned:
        if tested == 1:
            return 'The one group is not in the training part.'
        return f'None of the {tested} groups is in the training part.'
    which = f'{learned} of {tested} groups {_are(learned)}'
    if learned == tested:
        which = f'Each of the {tested} groups is' if tested > 1 else 'The one group is'
    products = 'this product is' if learned == 1 else 'these products are'
    return f'{which} in the training part too: {products} not new to the network.'


def _are(number: int) -> str:
    return 'is' if number == 1 else 'are'


def _of_run(
    workdir: str | pathlib.Path,
    config: Config,
    tested: _Tested,
    after: frozenset[str] = frozenset(),
) -> Learned:
    """Of a run's own training, and of the weights that it started from.

    `after` are the runs that started from it: one may be retrained under its name.
    """
    own, origin = _of_training(workdir, config, tested), origin_workdir(config)
    if not origin:
        return own
    known = after | {str(workdir)}
    earlier = _of_weights(origin, tested, known) if str(origin) not in known else None
    if earlier is None:
        return Learned(own.groups, complete=False)
    return Learned(own.groups | earlier.groups, own.complete and earlier.complete)


def _of_weights(
    workdir: str | pathlib.Path,
    tested: _Tested,
    after: frozenset[str] = frozenset(),
) -> Learned:
    if released.is_released(workdir):  # Their training data are absent.
        return _of_absent_data([released.read().dataset], tested)
    folder = pathlib.Path(workdir)
    try:
        if config_file(folder).exists():
            return _of_run(folder, read_config(folder), tested, after)
        record = read_origin(folder)
    except ValueError:  # such as settings of another version
        return _UNKNOWN
    if record:  # They were imported from a run.
        names = [origin['dataset'] for origin in origins(record) if origin['dataset']]
        return _of_absent_data(names, tested)
    # Weights from elsewhere learned from no prepared pairs; a run's encoder has a list.
    is_foreign = any(kept_steps(folder).values()) and not learned_file(folder).exists()
    return _NOTHING if is_foreign else _UNKNOWN


def _of_absent_data(names: Iterable[str], tested: _Tested) -> Learned:
    """Of data sets of which only the names are known."""
    apart = all(_are_apart({_set_of(x), _set_of(tested.info.name)}) for x in names)
    return _NOTHING if apart else _UNKNOWN


def _of_training(
    workdir: str | pathlib.Path, config: Config, tested: _Tested
) -> Learned:
    """Of the labels that a run was trained on."""
    data = config.data
    own = _read_info(data.data_dir)
    if dataset_file(workdir).exists():
        recorded = read_dataset_info(workdir)
        name, fingerprint = recorded.name, recorded.fingerprint
    elif own:
        name, fingerprint = own.name, own.fingerprint
    else:
        return _UNKNOWN
    names = {_set_of(name), _set_of(tested.info.name)}
    if _are_apart(names):
        return _NOTHING
    is_same = bool(fingerprint) and fingerprint == tested.info.fingerprint
    if not is_same and (_OWN_PAIRS in names or names == _ALIKE):
        return _UNKNOWN
    if is_same:
        data_dir = tested.data_dir
    elif own and own.name == name and fingerprint in ('', own.fingerprint):
        data_dir = data.data_dir
    else:
        return _UNKNOWN
    try:
        groups = read_groups(data_dir, data.train_split, learned_selection(config))
    except ValueError:  # such as a split that is not there any more
        return _UNKNOWN
    return Learned(groups, complete=True)


def _are_apart(names: set[str]) -> bool:
    """Whether two sets surely have no product in common.

    Own pairs may come from a public set, but drawn products exist nowhere else.
    """
    if len(names) == 1 or names == _ALIKE:
        return False
    return _OWN_PAIRS not in names or _DRAWN in names


def _set_of(name: str) -> str:
    """'synlcd/line' is a configuration of 'synlcd'."""
    return name.partition('/')[0]


def _read_info(data_dir: str) -> DatasetInfo | None:
    try:
        return read_info(data_dir)
    except (FileNotFoundError, ValueError):
        return None
