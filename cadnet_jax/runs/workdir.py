"""The files of a work directory: their names, and how they are read and compared.

A work directory belongs to one run. It holds:

config.json                       all settings
dataset.json                      name, classes, pixels and fingerprint of the data
learned_images.json               digests of the images that are trained on
started_from.json                 the weights that the run started from, if given
train_samples.json                ids of the training pairs, if not the whole split
run.lock                          the process that writes, while it writes
metrics.jsonl, tensorboard/       what `training.log` writes
checkpoints/{latest,best}/STEP/   what `checkpoint` writes
evaluation/NAME/                  what `evaluation` writes: metrics.json, curves.json,
                                  curves.png and the folders of images
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.selection import split_names
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import are_counts, are_names, read_object

if TYPE_CHECKING:  # Slow to import, and prediction reads no prepared data.
    from cadnet_jax.data.prepared_set import DatasetInfo
    from cadnet_jax.data.split_contents import LabeledSubset

Path = str | pathlib.Path
Kind = Literal['best', 'latest']
Step = int | Kind

# In the folder of an evaluation: files, and folders of images.
METRICS_FILE = 'metrics.json'
CURVES_FILE = 'curves.json'
PAIRS, OVERLAYS = 'pairs', 'overlays'
PROBABILITY, DISTANCE = 'probability', 'distance'

_SAMPLES_FILE, _ORIGIN_FILE = 'train_samples.json', 'started_from.json'
_EVALUATE_AGAIN = 'Evaluate the run again with experiments/evaluate.py.'


class TrainingData(NamedTuple):
    """The data set that a run learns from, as dataset.json keeps it."""

    name: str
    class_names: tuple[str, ...]
    class_pixels: tuple[int, ...]
    fingerprint: str = ''  # of all records; '' where an earlier version wrote the file


class Inputs(NamedTuple):
    """Settings and data, which may not change when a run resumes."""

    config: Config
    data: TrainingData


def training_data(info: 'DatasetInfo', split: str) -> TrainingData:
    """The contents of dataset.json for a run that learns from `split`.

    Pixels are counted for whole splits only: 'train[:10%]' has those of 'train'.
    """
    names = split_names(split)
    if 'all' in names:
        names = frozenset(info.class_pixels)
    pixels = np.sum([info.class_pixels[name] for name in sorted(names)], axis=0)
    return TrainingData(
        info.name, info.class_names, tuple(pixels.tolist()), info.fingerprint
    )


# --- Names --------------------------------------------------------------------------


def config_file(workdir: Path) -> pathlib.Path:
    """Path of config.json; a folder with this file is a work directory."""
    return pathlib.Path(workdir) / 'config.json'


def dataset_file(workdir: Path) -> pathlib.Path:
    """Path of dataset.json."""
    return pathlib.Path(workdir) / 'dataset.json'


def learned_file(workdir: Path) -> pathlib.Path:
    """Path of learned_images.json."""
    return pathlib.Path(workdir) / 'learned_images.json'


def lock_file(workdir: Path) -> pathlib.Path:
    """Path of run.lock, which exists while a process writes."""
    return pathlib.Path(workdir) / 'run.lock'


def log_file(workdir: Path) -> pathlib.Path:
    """Path of metrics.jsonl."""
    return pathlib.Path(workdir) / 'metrics.jsonl'


def events_folder(workdir: Path) -> pathlib.Path:
    """Folder of the TensorBoard events."""
    return pathlib.Path(workdir) / 'tensorboard'


def checkpoints_folder(workdir: Path, kind: Kind) -> pathlib.Path:
    """Folder of the checkpoints, each in a folder named after its step."""
    return pathlib.Path(workdir) / 'checkpoints' / kind


def checkpoint_at(path: Path) -> tuple[pathlib.Path, int] | None:
    """Work directory and step of a checkpoint's folder; None if `path` is not one."""
    path = pathlib.Path(path)
    if path.parent.parent.name == 'checkpoints' and path.name.isdigit():
        return path.parents[2], int(path.name)
    return None


def workdir_of(init_from: Path) -> Path:
    """Work directory of given first weights: that of a checkpoint, or `init_from`."""
    checkpoint = checkpoint_at(init_from)
    return checkpoint[0] if checkpoint else init_from


def evaluation_folder(workdir: Path, name: str) -> pathlib.Path:
    """Folder of the evaluation `name`."""
    return pathlib.Path(workdir) / 'evaluation' / name


def evaluations(workdir: Path) -> list[pathlib.Path]:
    """Folders of all complete evaluations, sorted by name."""
    files = pathlib.Path(workdir).glob(f'evaluation/*/{METRICS_FILE}')
    return sorted(path.parent for path in files)


def is_begun(workdir: Path) -> bool:
    """Whether `workdir` has files of a run."""
    parts = pathlib.Path(workdir).glob('evaluation/*')
    return config_file(workdir).exists() or any(parts)


# --- Reading and writing ------------------------------------------------------------


def write_inputs(
    workdir: Path,
    inputs: Inputs,
    *,
    subset: 'LabeledSubset | None' = None,
    origin: Mapping[str, Any] | None = None,
    resumes: bool = False,
) -> None:
    """Writes what a run starts from; makes the work directory if it is missing.

    What an earlier start left there is removed, if that had no checkpoint yet.

    Args:
        workdir: of the run.
        inputs: settings and data.
        subset: the pairs that are trained on, if they are not all.
        origin: see `read_origin`; None: random weights, or a run that resumes.
        resumes: whether the run goes on from a checkpoint.
    """
    workdir, (config, data) = pathlib.Path(workdir), inputs
    workdir.mkdir(parents=True, exist_ok=True)
    if not resumes:
        for name in (_SAMPLES_FILE, _ORIGIN_FILE):
            (workdir / name).unlink(missing_ok=True)
    if subset:
        chosen = {
            'dataset': data.name,
            'split': config.data.train_split,
            'label_fraction': config.data.label_fraction,
            'leave_out': config.data.left_out_groups,
            'seed': config.train.seed,
            'ids': subset.ids,
        }
        write_json(workdir / _SAMPLES_FILE, chosen)
    if origin:
        write_origin(workdir, origin)
    write_dataset_info(workdir, data)
    # A notebook elsewhere finds the data, too.
    data_dir = str(pathlib.Path(config.data.data_dir).absolute())
    write_config(workdir, configs.replace(config, data_dir=data_dir))


def write_config(workdir: Path, config: Config) -> None:
    """Writes config.json."""
    write_json(config_file(workdir), dataclasses.asdict(config))


def read_config(workdir: Path) -> Config:
    """Reads config.json.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or a setting is unknown or out of its range.
    """
    return configs.load(config_file(workdir))


def write_dataset_info(workdir: Path, data: TrainingData) -> None:
    """Writes dataset.json."""
    write_json(dataset_file(workdir), data._asdict())


def read_dataset_info(workdir: Path) -> TrainingData:
    """Reads dataset.json.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    path = dataset_file(workdir)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: no such file. Is this a work directory that train.py wrote?'
        )
    remedy = 'Restore it, or train again.'
    values = read_object(path, remedy=remedy)
    if not (
        isinstance(values.get('name'), str)
        and are_names(values.get('class_names'))
        and are_counts(values.get('class_pixels'))
    ):
        raise ValueError(
            f'{path}: damaged: lacks name, class_names or class_pixels. {remedy}'
        )
    return as_training_data(values)


def as_training_data(values: Mapping[str, Any]) -> TrainingData:
    """The data set that the contents of a dataset.json describe.

    Raises:
        KeyError: a name is missing.
    """
    return TrainingData(
        values['name'],
        tuple(values['class_names']),
        tuple(values['class_pixels']),
        str(values.get('fingerprint', '')),
    )


def write_learned_images(workdir: Path, digests: Iterable[str]) -> None:
    """Writes learned_images.json; see `data.split_contents.image_digests`."""
    write_json(learned_file(workdir), {'digests': sorted(digests)})


def read_learned_images(workdir: Path) -> frozenset[str]:
    """Reads learned_images.json; empty if an earlier version started the run.

    Raises:
        ValueError: it is damaged.
    """
    path = learned_file(workdir)
    if not path.exists():
        return frozenset()
    remedy = 'Restore it; without it no evaluation knows what the run learned from.'
    values = read_object(path, remedy=remedy)
    if not are_names(values.get('digests')):
        raise ValueError(f'{path}: damaged: lacks digests. {remedy}')
    return frozenset(values['digests'])


def write_origin(workdir: Path, origin: Mapping[str, Any]) -> None:
    """Writes started_from.json; see `read_origin`."""
    write_json(pathlib.Path(workdir) / _ORIGIN_FILE, origin)


def read_origin(workdir: Path) -> dict[str, Any]:
    """Reads started_from.json; {} if there is none: random weights.

    `weights.initial.describe_origin` says what it holds. A file of an earlier version
    describes one run only; those before it are then read from their folders, if these
    are still there.

    Raises:
        ValueError: it is damaged.
    """
    return _read_origins(pathlib.Path(workdir), frozenset())


def origins(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What `read_origin` read: of the first weights, of those before them, ..."""
    while record:
        yield record
        record = record.get('started_from', {})


def _read_origins(workdir: pathlib.Path, known: frozenset[str]) -> dict[str, Any]:
    """`known` are folders already read: a run may be retrained under its name."""
    path = workdir / _ORIGIN_FILE
    if not path.exists() or str(workdir) in known:
        return {}
    record = read_json(path, ('dataset',))
    if 'started_from' not in record and record.get('init_from'):
        parent = pathlib.Path(workdir_of(record['init_from']))
        earlier = _read_origins(parent, known | {str(workdir)})
        record |= {'started_from': earlier} if earlier else {}
    return record


def read_curves(evaluation: pathlib.Path) -> dict[str, Any]:
    """Reads `classes` of an evaluation's curves.json; {} if there is no such file.

    Raises:
        ValueError: it is damaged.
    """
    path = evaluation / CURVES_FILE
    curves: dict[str, Any] = {}
    if path.exists():
        curves = read_json(path, ('classes',))['classes']
    return curves


def read_json(path: pathlib.Path, names: Sequence[str]) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        path: of the file.
        names: that the object must have.

    Raises:
        ValueError: it is damaged, or lacks one of the names.
    """
    values = read_object(path, remedy=_EVALUATE_AGAIN)
    if missing := [name for name in names if name not in values]:
        raise ValueError(
            f'{path}: lacks {", ".join(missing)}: damaged, or of another version. '
            f'{_EVALUATE_AGAIN}'
        )
    return values


# --- Comparing ----------------------------------------------------------------------


def check_same_run(
    workdir: Path,
    saved: Inputs,
    given: Inputs,
    *,
    step: int | None = None,
    elsewhere: str = 'another --workdir',
) -> None:
    """Refuses to resume a run with other settings or other data.

    Args:
        workdir: of the run; errors name it.
        saved: what the run was started with.
        given: what it is resumed with.
        step: of its latest checkpoint; None: the run is not resumed. If the learning
            rate was constant up to this step, the end of the run may be another one.
        elsewhere: what errors tell the user to name instead.

    Raises:
        ValueError: names what differs, and the remedy.
    """
    may_change = configs.MAY_CHANGE
    both = saved.config, given.config
    if step is not None and all(_at_constant_rate(config, step) for config in both):
        may_change |= {'steps', 'cooldown_steps'}
    if changed := configs.changed_settings(*both, may_change=may_change):
        remedy = f'Give the same settings, or name {elsewhere}'
        if saved.config.train.steps < given.config.train.steps:
            remedy += f'; --init_from={workdir} starts another run from its weights'
        raise ValueError(
            f'{config_file(workdir)}: the run has other settings: {changed}. {remedy}.'
        )
    for what, old, new in differing_data(saved.data, given.data):
        raise ValueError(
            f'{dataset_file(workdir)}: the run learns from other data, {what} {old!r}, '
            f'than --data_dir={given.config.data.data_dir}, {new!r}. Give the same '
            f'data, or name {elsewhere}.'
        )


def differing_data(
    old: TrainingData, new: TrainingData
) -> Iterator[tuple[str, Any, Any]]:
    """Yields name, old and new value of what differs; unknown fingerprints do not."""
    fields = zip(TrainingData._fields, old, new, strict=True)
    for what, before, after in fields:
        is_known = what != 'fingerprint' or (before and after)
        if is_known and before != after:
            yield what, before, after


def _at_constant_rate(config: Config, step: int) -> bool:
    """Whether the end of the run has no influence on the steps up to `step`."""
    last = config.train.steps - config.optim.cooldown_steps
    return config.optim.schedule == 'constant' and step <= last
