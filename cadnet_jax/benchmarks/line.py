"""A production line of prepared pairs: calibrated on good parts, tested on others.

A part is a window of a pair, or a whole pair. Good parts of some groups calibrate the
threshold; on the other groups escapes and false rejects are counted. Plain differencing
has the same registration, rules and calibration. No label chooses anything.
"""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from cadnet_jax.data import nuisance
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.labels import is_defect
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.split_contents import read_groups
from cadnet_jax.evaluation.measuring import OPENINGS, difference_score
from cadnet_jax.evaluation.thresholds import (
    Threshold,
    choose_threshold,
    count_errors,
    percent,
    upper_bound,
)
from cadnet_jax.evaluation.windows import shows_whole_region
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import OUT_OF_CLASS_NAMES, Predictor
from cadnet_jax.inspection.inspector import RegisteredImage, make_inspector
from cadnet_jax.inspection.recipe import Alignment, File, Recipe
from cadnet_jax.inspection.registration import register
from cadnet_jax.inspection.rules import Limits, Rules, decisive_score
from cadnet_jax.runs.checkpoint_record import tree_digest
from cadnet_jax.runs.learned import warn_of_learned

MIN_AREAS = (1, 10, 30)  # pixels
_AROUND = 10  # pixels around a defect that a good window does not show
_GRID = 32  # pixels between the places where a good window is looked for

_Path = str | os.PathLike[str]


class LinePart(NamedTuple):
    """A part: images uint8 [H, W, 3]; `first` of the good ones of its image."""

    name: str
    group: str
    is_bad: bool
    first: bool
    image: np.ndarray
    reference: np.ndarray


@dataclasses.dataclass(frozen=True)
class LineOptions:
    """How parts are made of pairs.

    Attributes:
        window: side of the windows, in pixels; 0: whole pairs.
        nuisance: of `data.nuisance.NAMES`, applied to images of whole pairs; '': none.
        reference_is_good: whether the reference of a whole pair, under nuisance, is a
            good part, too.
        method: of registration.
        calibration_groups: groups whose good parts alone are needed.
        windows: most good and most bad ones of an image.
    """

    window: int = 320
    nuisance: str = ''
    reference_is_good: bool = False
    method: str = 'shift'
    calibration_groups: tuple[str, ...] = ()
    windows: int = 4

    def __post_init__(self) -> None:
        if self.nuisance and self.nuisance not in nuisance.NAMES:
            raise ValueError(
                f'--nuisance={self.nuisance}: it can be: {", ".join(nuisance.NAMES)}.'
            )
        if self.window and (self.nuisance or self.reference_is_good):
            raise ValueError(
                '--nuisance and --reference_is_good are of whole pairs, not of '
                f'windows of {self.window} pixels; give --window=0, too.'
            )


def score_line(
    predictor: Predictor,
    data_dir: _Path,
    splits: Sequence[str],
    options: LineOptions,
    output: _Path,
) -> list[dict[str, Any]]:
    """Decisive scores of all parts, a line of JSON each; resumes where it stopped.

    Pairs that are smaller than the windows make no part; a warning says how many.

    Args:
        predictor: the network.
        data_dir: prepared data.
        splits: of it.
        options: how parts are made.
        output: file of lines, of which the first describes the others; what is there
            is not scored again.

    Returns:
        The lines of the parts that these splits and calibration groups make.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: there is no such split or group, no part can be made, or the file
            holds scores of other weights, data or options.
    """
    _check_groups(data_dir, splits, options)
    for split in splits:
        warn_of_learned(predictor.workdir, pathlib.Path(data_dir), split)
    path = pathlib.Path(output)
    described = _describe(predictor, data_dir, options)
    done = _read(path, described)
    path.parent.mkdir(parents=True, exist_ok=True)
    scored, small = {}, set[str]()

    def parts() -> Iterator[LinePart]:
        for calibrates, split in itertools.product((True, False), splits):
            for pair in _pairs(data_dir, split):
                if min(pair['mask'].shape) < options.window:
                    small.add(pair['id'])
                for part in _parts(pair, options):
                    is_of_these = part.group in options.calibration_groups
                    if calibrates == is_of_these and _is_needed(part, options):
                        yield part

    with path.open('a') as file:
        for part in tqdm(parts(), unit='parts'):
            if part.name not in done:
                line = _score(predictor, part, options)
                if not file.tell():
                    file.write(json.dumps(described) + '\n')
                file.write(json.dumps(line) + '\n')
                file.flush()
                done[part.name] = line
            scored[part.name] = done[part.name]
    if not scored:
        raise ValueError(
            f'{data_dir}: {",".join(splits)} makes no part with '
            f'--window={options.window}; give a smaller one, or other --splits.'
        )
    if small:
        print(
            f'warning: {len(small)} pairs are smaller than --window={options.window}, '
            f'so they make no part, such as {min(small)}.'
        )
    return list(scored.values())


def _check_groups(data_dir: _Path, splits: Sequence[str], options: LineOptions) -> None:
    groups = {x for split in splits for x in read_groups(pathlib.Path(data_dir), split)}
    if unknown := sorted(set(options.calibration_groups) - groups):
        raise ValueError(
            f'--calibrate: {",".join(splits)} of {data_dir} has no group '
            f'{", ".join(unknown)}; there are {", ".join(sorted(groups))}.'
        )


def _describe(
    predictor: Predictor, data_dir: _Path, options: LineOptions
) -> dict[str, Any]:
    """What the scores depend on, beside the part: the first line of their file."""
    made = dataclasses.asdict(options)
    del made['calibration_groups']  # They choose among parts, and change no score.
    return {
        'weights_sha256': tree_digest(predictor.variables),
        'tile_size': predictor.tile_size,
        'orientations': predictor.orientations,
        # An early version of prepared data has no fingerprint.
        'data': read_info(pathlib.Path(data_dir)).fingerprint or os.fspath(data_dir),
        **made,
    }


def _read(path: pathlib.Path, described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Part -> its line; none where there is no such file yet."""
    if not path.exists():
        return {}
    remedy = 'name another --output, or delete this file'
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    except ValueError:
        raise ValueError(f'{path}: damaged, or no scores of parts; {remedy}.') from None
    if not lines:
        return {}
    if other := [key for key in described if lines[0].get(key) != described[key]]:
        raise ValueError(
            f'{path}: holds scores of another {", ".join(other)}; {remedy}.'
        )
    return {line['part']: line for line in lines[1:]}


def _is_needed(part: LinePart, options: LineOptions) -> bool:
    """Groups that calibrate give the first good part of each image."""
    calibrates = part.group in options.calibration_groups
    return not calibrates or (part.first and not part.is_bad)


def line_table(
    lines: Sequence[Mapping[str, Any]],
    calibration_groups: Sequence[str],
    target: float,
    *,
    not_good: Sequence[str] = (),
) -> list[str]:
    """A row for each system and smallest area: false rejects and escapes with bounds.

    Args:
        lines: of `score_line`.
        calibration_groups: their good parts, one of each image, set the threshold, the
            other groups are tested; none: all good parts do, and escapes alone are
            counted.
        target: false-reject rate that the bound holds.
        not_good: names of parts that do not calibrate, although they have no label,
            since a person sees a defect in them.

    Raises:
        ValueError: one of these is not among the parts that calibrate, there are too
            few of them, or all parts are INVALID.
    """
    invalid = [line for line in lines if line['scores'] is None]
    judged = [line for line in lines if line['scores'] is not None]
    if not judged:
        raise ValueError(
            f'all {len(lines)} parts are INVALID; --output has the faults of each.'
        )
    calibrating = [
        line
        for line in judged
        if not line['bad']
        and line['first']
        and (line['group'] in calibration_groups or not calibration_groups)
    ]
    if unknown := set(not_good) - {line['part'] for line in calibrating}:
        raise ValueError(f'{min(unknown)!r} is not a part that calibrates.')
    calibrating = [line for line in calibrating if line['part'] not in not_good]
    tested = [line for line in judged if line['group'] not in calibration_groups]
    rows = [f'{len(invalid)} parts INVALID, not counted.']
    for key in judged[0]['scores']:
        threshold = choose_threshold(_of(calibrating, key), target)
        good = [] if not calibration_groups else [x for x in tested if not x['bad']]
        rows.append(_row(key, threshold, good, [x for x in tested if x['bad']]))
    return rows


def _row(
    key: str,
    threshold: Threshold,
    good: Sequence[Mapping[str, Any]],
    bad: Sequence[Mapping[str, Any]],
) -> str:
    found = count_errors(_of(good, key), _of(bad, key), threshold.threshold)
    return (
        f'{key}: threshold {threshold.threshold:.4f}, stated bound '
        f'{percent(threshold.bound)}; false rejects '
        f'{_rate(found.false_rejects, found.good_parts)}; escapes '
        f'{_rate(found.escapes, found.bad_parts)}'
    )


def _rate(events: int, parts: int) -> str:
    if not parts:
        return 'not tested'
    share, bound = percent(events / parts), percent(upper_bound(events, parts))
    return f'{events} of {parts} ({share}, at most {bound})'


def _of(lines: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [line['scores'][key] for line in lines]


def _pairs(data_dir: _Path, split: str) -> Iterator[dict[str, Any]]:
    for batch in evaluation_batches(pathlib.Path(data_dir), split, batch_size=1):
        yield {name: values[0] for name, values in batch.items()}


def _parts(pair: Mapping[str, Any], options: LineOptions) -> Iterator[LinePart]:
    random = np.random.default_rng(list(pair['id'].encode()))
    image, reference, mask = (pair[name] for name in ('image', 'reference', 'mask'))
    if options.window:
        yield from _windows(pair, options, random)
        return
    is_bad = bool(is_defect(mask).any())
    kinds = {'image': (image, is_bad)}
    if options.reference_is_good:
        kinds['reference'] = (reference, False)
    for kind, (pixels, bad) in kinds.items():
        if options.nuisance:
            pixels, _ = nuisance.disturb(options.nuisance, pixels, mask, random)
        name = f'{pair["id"]} {kind}'
        yield LinePart(name, pair['group'], bad, True, pixels, reference)


def _windows(
    pair: Mapping[str, Any], options: LineOptions, random: np.random.Generator
) -> Iterator[LinePart]:
    """Good windows show no label and do not overlap; bad ones show a whole region."""
    image, reference, mask = (pair[name] for name in ('image', 'reference', 'mask'))
    (height, width), side = mask.shape, options.window
    near = cv2.dilate((mask > 0).astype(np.uint8), np.ones((2 * _AROUND + 1,) * 2))
    places = [
        (y, x)
        for y in range(0, height - side + 1, _GRID)
        for x in range(0, width - side + 1, _GRID)
    ]
    good: list[tuple[int, int]] = []
    for index in random.permutation(len(places)):
        y, x = places[index]
        apart = all(max(abs(y - v), abs(x - u)) >= side for v, u in good)
        clean = not near[y : y + side, x : x + side].any()
        if apart and clean and len(good) < options.windows:
            good.append((y, x))
    bad = [
        (y, x)
        for y in range(0, height - side + 1, side)
        for x in range(0, width - side + 1, side)
        if shows_whole_region(mask[y : y + side, x : x + side])
    ]
    bad = [bad[index] for index in random.permutation(len(bad))]
    for is_bad, corners in ((False, good), (True, bad)):
        for number, (y, x) in enumerate(corners[: options.windows]):
            window = slice(y, y + side), slice(x, x + side)
            name = f'{pair["id"]} {"bad" if is_bad else "good"} {x} {y}'
            yield LinePart(
                name,
                pair['group'],
                is_bad,
                not number,
                image[window],
                reference[window],
            )


def _score(
    predictor: Predictor, part: LinePart, options: LineOptions
) -> dict[str, Any]:
    """Decisive scores of the network and of differencing, for each smallest area."""
    recipe = Recipe(
        references=(File(),),
        registration=Alignment(options.method),
        rules=Rules(any=Limits(threshold=0.5)),
    )
    inspector = make_inspector(recipe, predictor, [part.reference])
    registered = inspector.register(part.image)
    if np.array_equal(part.image, part.reference):  # not INVALID: images are binary
        registered = registered._replace(
            faults=(), registration=register(part.image, part.reference, 'none')
        )
    scores = inspector.score(registered)
    found = None
    if scores is not None:
        names = predictor.class_names
        found = _decisive('network', scores, registered, names)
        for opening in OPENINGS:
            different = _difference(registered, part.reference, opening)
            system = f'differencing {opening}'
            found |= _decisive(system, different, registered, OUT_OF_CLASS_NAMES)
    return {
        'part': part.name,
        'group': part.group,
        'bad': part.is_bad,
        'first': part.first,
        'faults': list(registered.faults),
        'scores': found,
    }


def _difference(
    registered: RegisteredImage, reference: np.ndarray, opening: int
) -> PixelScores:
    """Gray levels as scores of one class, 0 to 1."""
    assert registered.image is not None
    score = difference_score(registered.image, reference, opening) / 255
    classes = np.ones(score.shape, np.uint8)
    return PixelScores(score, classes, score, None, None)


def _decisive(
    system: str,
    scores: PixelScores,
    registered: RegisteredImage,
    class_names: Sequence[str],
) -> dict[str, float]:
    assert registered.registration is not None
    shown = registered.registration.valid
    return {
        f'{system}, smallest area {area}': decisive_score(
            scores,
            class_names,
            Rules(any=Limits(min_area=area)),
            lowest=0.02,
            shown=shown,
        )
        for area in MIN_AREAS
    }
