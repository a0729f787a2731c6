"""The data sets that can be prepared, by name, and the options that each takes."""

import functools
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

NAMES = (
    'deep_pcb',
    'mvtec_ad/by_object',
    'mvtec_ad/binary',
    'pku_market_pcb/by_crop',
    'pku_market_pcb/by_board',
    'synlcd/line',
    'synlcd/abpt',
    'synlcd/mixed',
    'synthetic_pairs',
    'paired_folder',
)


class Option(NamedTuple):
    """An option of some of the data sets."""

    kind: type  # int, str or pathlib.Path
    datasets: tuple[str, ...]  # without their configs
    help: str


OPTIONS: Mapping[str, Option] = {
    'count': Option(
        int,
        ('synlcd', 'synthetic_pairs'),
        'synlcd: defective samples of each pattern, and as many without defects (300); '
        'synthetic_pairs: training pairs (40,000).',
    ),
    'size': Option(
        int,
        ('synlcd', 'pku_market_pcb', 'synthetic_pairs'),
        'Side of the images in pixels (synlcd: 64 to 4096 in steps of 32, 512; '
        'pku_market_pcb, of the crops: 32 to 4096, 1000; synthetic_pairs: 64 to 1024 '
        'in steps of 32, 256).',
    ),
    'seed': Option(
        int,
        ('synlcd', 'pku_market_pcb', 'mvtec_ad', 'synthetic_pairs'),
        'Seed of everything random; the same seed gives the same data (0).',
    ),
    'workers': Option(
        int,
        ('synlcd', 'synthetic_pairs', 'paired_folder'),
        'Number of processes; the data do not depend on it (one for each core).',
    ),
    'leave_out': Option(
        str,
        ('synthetic_pairs',),
        'Family of products to leave out of training; it becomes the split test.',
    ),
    'photo_dir': Option(
        pathlib.Path,
        ('synthetic_pairs',),
        'Folder of photographs for collages, beside two that come with packages.',
    ),
    'reference': Option(
        str,
        ('mvtec_ad',),
        'What an image is compared with: the most similar defect-free training image '
        'of its object (similar, the default), or train/good/000.png (first).',
    ),
}


def check_options(dataset: str, given: Iterable[str]) -> None:
    """Raises ValueError where one of the options given is for other data sets."""
    for name in given:
        allowed = OPTIONS[name].datasets if name in OPTIONS else ('paired_folder',)
        if dataset not in allowed:
            raise ValueError(
                f'--{name} is for {", ".join(allowed)}, not for {dataset}; leave it '
                'out.'
            )


def builder(name: str, options: Mapping[str, Any]) -> Callable[..., Any]:
    """What makes the builder of a data set; called with `data_dir`.

    Args:
        name: one of NAMES but `paired_folder`, which is made from its source.
        options: the options that are given.

    Raises:
        ValueError: an option is for other data sets.
    """
    # Not at the top: TFDS is slow, and worker processes import this file as well.
    from cadnet_jax.datasets import (
        deep_pcb,
        mvtec_ad,
        pku_market_pcb,
        synlcd,
        synthetic_pairs,
    )

    dataset, _, config = name.partition('/')
    check_options(dataset, options)
    builders = {
        'deep_pcb': deep_pcb.Builder,
        'mvtec_ad': mvtec_ad.Builder,
        'pku_market_pcb': pku_market_pcb.Builder,
        'synlcd': synlcd.Builder,
        'synthetic_pairs': synthetic_pairs.Builder,
    }
    given = {'config': config, **options} if config else options
    return functools.partial(builders[dataset], **given)
