"""What a run is checked for before it trains: settings, data, and who takes part."""

import dataclasses
import json
import pathlib

import jax

from cadnet_jax.config import Config
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.label_checks import label_faults
from cadnet_jax.data.prepared_set import DatasetInfo, read_info
from cadnet_jax.data.sampling import num_unchanged
from cadnet_jax.data.split_contents import LabeledSubset
from cadnet_jax.devices import any_process, text_of_first_process
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.runs.checkpoint import kept_steps
from cadnet_jax.runs.learned import (
    describe_learned,
    describe_other_records,
    origin_workdir,
)
from cadnet_jax.runs.workdir import (
    Inputs,
    TrainingData,
    check_same_run,
    config_file,
    evaluations,
    read_config,
    read_dataset_info,
    training_data,
)

_OF_A_HOST = frozenset({'cache_gb', 'data_dir', 'reader_threads'})  # may differ


def check_inputs(
    config: Config,
    subset: LabeledSubset | None,
    workdir: pathlib.Path,
    resume_from: int | None = None,
) -> TrainingData:
    """Refuses what cannot be trained, ahead of all that takes time.

    The training split has been found by then.

    Args:
        config: all settings.
        subset: the pairs that are trained on, if they are not all.
        workdir: of the run.
        resume_from: step that it goes on from; None: the latest.

    Returns:
        What the run learns from.

    Raises:
        FileNotFoundError: the data are not there.
        ValueError: settings that cannot be, or a work directory of other settings or
            other data.
    """
    smallest_side = build_model(config.model, num_classes=2).smallest_side
    if config.data.crop_size < smallest_side:
        raise ValueError(
            f'--crop_size is {config.data.crop_size}; it must be at least '
            f'{smallest_side}.'
        )
    if config.data.batch_size % jax.device_count():
        raise ValueError(
            f'--batch_size is {config.data.batch_size}; it must be a multiple of the '
            f'number of devices, {jax.device_count()}.'
        )
    check_norms(config)
    unchanged = num_unchanged(config.data)
    if config.data.hard_candidates > 1 and unchanged % jax.device_count():
        raise ValueError(
            f'--unchanged_fraction is {config.data.unchanged_fraction}: {unchanged} '
            'unchanged crops a batch; --hard_candidates needs a multiple of the number '
            f'of devices, {jax.device_count()}.'
        )
    data_dir, split = config.data.data_dir, config.data.eval_split
    info = read_info(data_dir)
    evaluation_batches(data_dir, split, batch_size=config.data.eval_batch_size)
    data = training_data(info, config.data.train_split)
    if subset:
        data = data._replace(class_pixels=subset.class_pixels)
    _check_defects(config, data)
    if jax.process_index() == 0 and not config.data.paint_defects:
        _warn_of_labels(config, info, data)
    _check_workdir(workdir, Inputs(config, data), resume_from)
    return data


def check_norms(config: Config) -> None:
    """Refuses a BatchNorm that would see one value a channel.

    Its variance would be 0, and prediction would multiply by 1 / sqrt(epsilon). The
    statistics are those of all devices, so that the whole batch counts. Two values are
    allowed, though they become 1 and -1, and what is below the norm learns nothing.

    Raises:
        ValueError: names the flags and the remedy.
    """
    head, side = config.model.head, config.data.crop_size
    smallest = HEADS[head].lone_crop_side
    if config.data.batch_size == 1 and (smallest is None or side < smallest):
        raise ValueError(
            f'--batch_size is 1: --head={head} reduces a crop of {side} pixels to one '
            'value a channel, which has no variance for BatchNorm. Set --batch_size=4 '
            'or more: two values become 1 and -1, whatever they were.'
        )


def _check_workdir(
    workdir: pathlib.Path, inputs: Inputs, resume_from: int | None
) -> None:
    """That the run can begin or go on in `workdir`."""
    kept, has_config = kept_steps(workdir), config_file(workdir).exists()
    if any(kept.values()) and not (has_config and kept['latest']):
        missing = 'latest checkpoint' if has_config else 'config.json'
        raise ValueError(
            f'--workdir={workdir}: it has weights but no {missing}, so no run can go '
            'on there. Name another; --init_from starts from it.'
        )
    if has_config and (kept['latest'] or evaluations(workdir)):
        saved = Inputs(read_config(workdir), read_dataset_info(workdir))
        step = max(kept['latest'], default=None)
        if resume_from in kept['latest']:  # One that is not there is refused later.
            step = resume_from
        check_same_run(workdir, saved, inputs, step=step)


def check_processes_agree(
    config: Config, data: TrainingData, resume_from: int | None
) -> None:
    """Refuses processes with other settings or data than the first one's.

    Raises (in each of them):
        ValueError: names what differs.
    """
    if jax.process_count() == 1:
        return
    sections = dataclasses.asdict(config).values()
    values = {name: value for of in sections for name, value in of.items()}
    values |= data._asdict() | {'resume_from': resume_from}
    text = json.dumps({n: v for n, v in values.items() if n not in _OF_A_HOST})
    own, first = json.loads(text), json.loads(text_of_first_process(text))
    differing = [
        f'{name} is {own.get(name)!r}, not {first.get(name)!r}'
        for name in sorted({*own, *first})
        if own.get(name) != first.get(name)
    ]
    if any_process(bool(differing)):
        what = '; '.join(differing) or 'another process differs from it'
        raise ValueError(
            f'process {jax.process_index()}: not the settings and data of process 0: '
            f'{what}. Start all processes with one command, on copies of one set.'
        )


def _check_defects(config: Config, data: TrainingData) -> None:
    """That there is something to learn."""
    if not any(data.class_pixels):
        raise ValueError(
            f'{config.data.data_dir}: every pixel of {config.data.train_split!r} is '
            'ignored, so there is nothing to learn. If pairs without a mask are good, '
            'prepare them with --without_mask=defect_free.'
        )
    defects = data.class_names[1:]
    several, labeled = len(defects) > 1, any(data.class_pixels[1:])
    if config.data.paint_defects and several and not labeled:
        raise ValueError(
            f'--paint_defects: {config.data.data_dir} has the classes of defects '
            f'{", ".join(defects)}, but no labeled pixel, and paint is of no class. '
            'Give all of them one name in classes.csv and prepare the data again.'
        )
    if not config.data.paint_defects and not any(data.class_pixels[1:]):
        raise ValueError(
            f'{config.data.data_dir}: no pixel of {config.data.train_split!r} is '
            'labeled as a defect, so there is nothing to learn. Use the released '
            'weights as they are (predict.py without --workdir), or paint changes into '
            'the good pairs: train.py --paint_defects.'
        )


def _warn_of_labels(config: Config, info: DatasetInfo, data: TrainingData) -> None:
    """Prints what the labels cannot teach or choose, as far as the run needs them."""
    train_split, eval_split = config.data.train_split, config.data.eval_split
    pixels = dict(info.class_pixels) | {
        eval_split: training_data(info, eval_split).class_pixels,
        train_split: data.class_pixels,
    }
    for fault in label_faults(
        data.class_names, pixels, train_split=train_split, eval_split=eval_split
    ):
        print(f'warning: {config.data.data_dir}: {fault.message}.')


def warn_of_origin(config: Config) -> None:
    """Prints what the weights that a run starts from have seen of its data."""
    origin, data_dir = origin_workdir(config) or '', config.data.data_dir
    for text in (
        describe_other_records(origin, data_dir),
        describe_learned(origin, data_dir, config.data.eval_split),
    ):
        if text:
            print(f'warning: --init_from: {text}.')
