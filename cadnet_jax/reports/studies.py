"""The paper's experiments: which runs each consists of, and what they are tested on.

A run has a folder of its own, named after it. Studies share runs: one that several name
is trained once. What is there already is left alone, so the same call resumes where an
earlier one was stopped.
"""

import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.evaluate import (
    check_replaced,
    default_name,
    evaluate,
    evaluated_data,
    output_directory,
)
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.rows import evaluated_with
from cadnet_jax.reports.score_tables import MVTEC, PKU
from cadnet_jax.reports.transfer_tables import FRACTIONS
from cadnet_jax.runs.checkpoint import kept_steps
from cadnet_jax.runs.finished_runs import RunRecord, read_record
from cadnet_jax.runs.workdir import (
    Inputs,
    check_same_run,
    checkpoints_folder,
    evaluation_folder,
    is_begun,
    training_data,
)
from cadnet_jax.training.checks import check_norms
from cadnet_jax.training.loop import train
from cadnet_jax.training.optim import learning_rate_schedule
from cadnet_jax.weights.initial import encoder_faults

PUBLIC = {'pku': PKU, 'mvtec': MVTEC}  # what tables 4 and 5 are trained on
# Fine-tuning has the paper's steps in the paper; here it has a part of them.
FINE_TUNING_SHARE = 0.25
# Of table 6, with U-Net: labeled pairs alone, ours, and the paper's rivals.
METHODS = ('labeled', 'pairs', 'dct', 'uamt', 'cps', 'ucc', 'uaps')
_AVERAGING = 0.99  # of the teacher; all methods are tested with averaged weights
_SET_BY_STUDIES = ('head', 'seed', 'label_fraction', 'balance', 'semi_supervised')


class Run(NamedTuple):
    """One run of a study.

    Attributes:
        name: of its folder.
        trained_on: 'line', 'abpt' or 'mixed' of SynLCD, or a key of `PUBLIC`.
        tested_on: likewise.
        config: all settings but `data_dir`, which `trained_on` stands for.
        starts_from: name of the run with whose last weights it starts; '' for random
            ones.
        start_step: number of steps of that run.
    """

    name: str
    trained_on: str
    tested_on: tuple[str, ...]
    config: Config
    starts_from: str = ''
    start_step: int = 0


def comparison(base: Config, seed: int) -> list[Run]:
    """Table 3: CADNet and SegFormer on lines and points together."""
    return [_run(base, 'mixed', head, seed) for head in ('cad', 'segformer')]


def networks(base: Config, seed: int) -> list[Run]:
    """Table 3, its other rows: the networks of `docs/rivals.md`."""
    return [_run(base, 'mixed', head, seed) for head in _other_heads()]


def boards(base: Config, seed: int) -> list[Run]:
    """Table 4: all networks on PKU-Market-PCB."""
    heads = ['cad', 'segformer', *_other_heads()]
    return [_run(base, 'pku', head, seed) for head in heads]


def products(base: Config, seed: int) -> list[Run]:
    """Table 5: all networks on MVTec AD."""
    heads = ['cad', 'segformer', *_other_heads()]
    return [_run(base, 'mvtec', head, seed) for head in heads]


def cross_test(base: Config, seed: int) -> list[Run]:
    """Figure 6: trained on lines (L) or points (A), tested on either.

    The change-aware head takes part where both are the same, the out-of-class head and
    SegFormer in all four.
    """
    both = ('line', 'abpt')
    runs = []
    for kind in both:
        runs += [
            _run(base, kind, 'cad', seed),
            _run(base, kind, 'ooc', seed, tested_on=both),
            _run(base, kind, 'segformer', seed, tested_on=both),
        ]
    return runs


def few_labels(base: Config, seed: int) -> list[Run]:
    """Table 6, last row: trained on points, then on a few labeled lines.

    With none of them it is the run of `cross_test`. Every share takes the same steps.
    """
    steps = max(1, round(FINE_TUNING_SHARE * base.train.steps))
    warmup = min(base.optim.warmup_steps, steps // 10)
    start = _run(base, 'abpt', 'ooc', seed, tested_on=('line', 'abpt'))
    runs = [start]
    for fraction in FRACTIONS:
        config = configs.replace(
            start.config, label_fraction=fraction, steps=steps, warmup_steps=warmup
        )
        name = f'line_ooc_{round(100 * fraction):02}percent_seed{seed}'
        runs.append(Run(name, 'line', ('line',), config, start.name, base.train.steps))
    return runs


def semi_supervised(base: Config, seed: int) -> list[Run]:
    """Table 6, all rows: U-Net with each method, and both heads of CADNet.

    Each is trained on points, then on a share of the labeled lines, both times with
    all steps of the base. What a method has beside the network starts anew.
    """
    u_net = configs.replace(
        base,
        semi_supervised='labeled',
        head='unet',
        defect_weight=1.0,
        ema_decay=base.optim.ema_decay or _AVERAGING,
    )
    start = _run(u_net, 'abpt', 'unet', seed, tested_on=('line', 'abpt'))
    start = start._replace(name=f'abpt_unet_labeled_seed{seed}')
    heads = [
        _run(base, 'abpt', 'ooc', seed, tested_on=('line', 'abpt')),
        _run(base, 'abpt', 'cad', seed),
    ]
    runs = [start]
    for fraction in FRACTIONS:
        runs += [_tuned(start, fraction, method) for method in METHODS]
        for head in heads:
            runs += [head] if head not in runs else []
            runs.append(_tuned(head, fraction, 'none'))
    return runs


def _tuned(start: Run, fraction: float, method: str) -> Run:
    """On a share of the labeled lines, from the last weights of `start`.

    Our own method also paints changes into the pairs.
    """
    paints = start.config.data.paint_defects or method == 'pairs'
    config = configs.replace(
        start.config,
        label_fraction=fraction,
        semi_supervised=method,
        paint_defects=paints,
    )
    percent, seed = round(100 * fraction), config.train.seed
    method = f'painted_{method}' if paints else method
    name = f'line_{config.model.head}_{method}_{percent:02}percent_seed{seed}'
    return Run(name, 'line', ('line',), config, start.name, config.train.steps)


def ablation(base: Config, seed: int) -> list[Run]:
    """Table 7: CE; CE + CL; CE + BCL; CE + BCL + CAD."""
    variants: Mapping[str, Mapping[str, Any]] = {
        'ce': {'contrastive_weight': 0.0},
        'ce_cl': {'balance': 'none'},
        'ce_bcl': {'balance': 'train'},
    }
    plain = _run(base, 'mixed', 'plain', seed)
    runs = [
        plain._replace(
            name=f'mixed_plain_{name}_seed{seed}',
            config=configs.replace(plain.config, **changed),
        )
        for name, changed in variants.items()
    ]
    return [*runs, _run(base, 'mixed', 'cad', seed)]


STUDIES: Mapping[str, Callable[[Config, int], list[Run]]] = {
    function.__name__: function
    for function in (
        comparison,
        networks,
        boards,
        products,
        cross_test,
        few_labels,
        semi_supervised,
        ablation,
    )
}


def runs_of(
    names: Iterable[str], base: Config, seeds: int, heads: Sequence[str] = ()
) -> list[Run]:
    """The runs of some studies, each once; all of seed 0 first, then of seed 1, ...

    Args:
        names: of `STUDIES`.
        base: settings that all runs share. The studies set head, loss, labels, seed and
            the steps of fine-tuning.
        seeds: how many.
        heads: whose runs are taken; none: all.

    Raises:
        ValueError: `base` sets what differs from run to run, or has no contrastive
            loss, or a warm-up longer than the run, or a batch too small for a network,
            or weights that do not fit a network's encoder; or no run has one of the
            heads.
    """
    given = configs.differences(Config(), base)
    if ours := [name for name in _SET_BY_STUDIES if name in given]:
        raise ValueError(
            f'--{ours[0]}={given[ours[0]][1]}: it differs from run to run, and the '
            'studies set it; leave it out.'
        )
    if not base.loss.contrastive_weight:
        raise ValueError('--contrastive_weight=0: the studies need that loss.')
    learning_rate_schedule(base.optim, base.train.steps)
    runs: dict[str, Run] = {}
    for seed in range(seeds):
        for name in names:
            runs |= {run.name: run for run in STUDIES[name](base, seed)}
    chosen = _of_heads(list(runs.values()), heads)
    for run in chosen:  # Ahead of the days that those before it take.
        check_norms(run.config)
    if base.train.init_from:
        _check_weights(base.train.init_from, chosen)
    return chosen


def public_data(prepared_dir: pathlib.Path, kind: str) -> pathlib.Path:
    """Where a public set is prepared, the latest version that is there.

    Args:
        prepared_dir: what prepare_data.py wrote to.
        kind: a key of `PUBLIC`.

    Raises:
        FileNotFoundError: it is not prepared.
    """
    folder = prepared_dir / PUBLIC[kind]
    versions = [path.parent for path in folder.glob('*/dataset_info.json')]
    if not versions:
        raise FileNotFoundError(
            f'{folder}: not prepared. Download the set, then: experiments/'
            f'prepare_data.py --dataset={PUBLIC[kind]} --source_dir=... '
            f'--output_dir={prepared_dir}'
        )
    return max(versions, key=lambda path: [int(x) for x in path.name.split('.')])


def complete(
    run: Run,
    root: pathlib.Path,
    data_dirs: Mapping[str, pathlib.Path],
    *,
    split: str,
    num_pictures: int = 0,
) -> bool:
    """Trains what is left of a run, and makes the evaluations that are missing.

    A run with all its evaluations is complete, whether its checkpoints are there or
    not.

    Args:
        run: stands in `root / run.name`.
        root: folder of all runs, or a file of complete runs (see `runs.finished_runs`).
        data_dirs: prepared data set of each kind that the run names.
        split: that is tested, of each of these.
        num_pictures: of the pairs whose pictures are written.

    Returns:
        Whether it is complete; False where it was asked to stop.

    Raises:
        FileExistsError: an evaluation that is missing is there of other data.
        FileNotFoundError: the data, or the weights that it starts from, are not there.
        ValueError: there is no such split, or the folder holds a run with other
            settings, or of other data, or a file that is damaged.
    """
    workdir = root / run.name
    config = configs.replace(run.config, data_dir=str(data_dirs[run.trained_on]))
    if run.starts_from:
        # What that run is tested with, where its best weights would be others.
        parent = checkpoints_folder(root / run.starts_from, 'latest')
        config = configs.replace(config, init_from=str(parent / str(run.start_step)))
    last = config.train.steps
    trained = last in kept_steps(workdir)['latest']
    record = _read_record(workdir)
    evaluated = _evaluated(record, config) if record else set()
    if record and (trained or evaluated):
        _check_same_run(record, config)
    missing = []
    for kind in run.tested_on:
        test = PUBLIC.get(kind, f'synlcd/{kind}'), split, last
        fingerprint = read_info(data_dirs[kind]).fingerprint
        if not evaluated & {(*test, fingerprint), (*test, '')}:
            missing.append(kind)
    if not missing:
        return True
    for kind in missing:  # Faults are found ahead of the training.
        evaluation_batches(
            data_dirs[kind], split, batch_size=config.data.eval_batch_size
        )
        info = read_info(data_dirs[kind])
        check_replaced(
            evaluation_folder(workdir, default_name(info, split, last)), info
        )
    if not trained and not train(config, workdir):
        return False
    predictor = load_predictor(workdir, 'latest')
    for kind in missing:
        evaluate(
            predictor,
            data_dirs[kind],
            split,
            batch_size=config.data.eval_batch_size,
            output_dir=output_directory(predictor, data_dirs[kind], split),
            num_pictures=num_pictures,
        )
    # The programs of many runs are more than one process can hold.
    jax.clear_caches()
    return True


def _of_heads(runs: Sequence[Run], heads: Sequence[str]) -> list[Run]:
    """The runs of some heads; of none: all."""
    known = dict.fromkeys(run.config.model.head for run in runs)
    for head in heads:
        if head not in known:
            raise ValueError(
                f'--only_head={head}: the chosen studies have no run of this head; '
                f'they have runs of {", ".join(known)}.'
            )
    return [run for run in runs if not heads or run.config.model.head in heads]


def _check_weights(directory: str, runs: Sequence[Run]) -> None:
    """Checks that the weights fit the encoder of every network."""
    models = {run.config.model.head: run.config.model for run in runs}
    # An encoder is the same for any classes.
    try:
        faults = encoder_faults(
            directory, [build_model(model, num_classes=2) for model in models.values()]
        )
    except FileNotFoundError:
        return  # A finished run no longer needs them; any other fails as it begins.
    if not faults:
        return
    listed = ', '.join(f'--head={head} ({fault})' for head, fault in faults.items())
    fitting = ' '.join(f'--only_head={head}' for head in models if head not in faults)
    raise ValueError(
        f'--init_from={directory}: arrays of the encoder are missing or of other '
        f'shapes for {listed}. '
        + (f'Run {fitting} with these weights. ' if fitting else '')
        + 'Run the networks of each other encoder in a call of their own, with '
        '--only_head, from their own weights or from random ones: --init_from='
    )


def _other_heads() -> list[str]:
    """The networks of `docs/rivals.md`."""
    return [head for head, row in HEADS.items() if row.counted == 'program']


def _run(
    base: Config, kind: str, head: str, seed: int, *, tested_on: tuple[str, ...] = ()
) -> Run:
    config = configs.replace(base, head=head, seed=seed)
    return Run(f'{kind}_{head}_seed{seed}', kind, tested_on or (kind,), config)


def _read_record(workdir: pathlib.Path) -> RunRecord | None:
    """The run in `workdir`; None where none was begun."""
    if not is_begun(workdir) and not workdir.parent.is_file():
        return None
    try:
        return read_record(str(workdir))
    except ValueError as error:
        raise ValueError(
            f'{error} Or delete its folder: the study then makes it again.'
        ) from None


def _evaluated(record: RunRecord, config: Config) -> set[tuple[str, str, int, str]]:
    """Of each evaluation with the default tiles and rule what it is of.

    Data set, split, step and fingerprint of the data; '' where that is not known, as in
    a file of runs.
    """
    default = evaluated_with({}, config, record.workdir)
    return {
        (
            metrics['dataset'],
            metrics['split'],
            metrics['step'],
            str(evaluated_data(folder).get('fingerprint', '')),
        )
        for folder, metrics in record.evaluations
        if evaluated_with(metrics, config, record.workdir) == default
    }


def _check_same_run(record: RunRecord, config: Config) -> None:
    """That what is there has these settings, and learned from these data.

    Paths may differ. Of a part of the pairs the pixels are not counted again.
    """
    data = training_data(read_info(config.data.data_dir), config.data.train_split)
    if config.data.takes_a_part:
        data = data._replace(class_pixels=record.data.class_pixels)
    saved, given = (
        Inputs(configs.replace(x, init_from='given' if x.train.init_from else ''), y)
        for x, y in ((record.config, record.data), (config, data))
    )
    elsewhere = 'another folder for the runs'
    check_same_run(record.workdir, saved, given, elsewhere=elsewhere)
