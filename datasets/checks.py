"""Checks of labeled pairs before anything is learned from them.

`examine` looks at one pair, `summarize` at what was found in all of them. An error
stops the preparation, a warning is counted and listed. Differences are the largest of
the three channels', in gray levels.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.label_checks import label_faults
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.shifts import estimate_shift
from cadnet_jax.datasets.near_copies import TURNS, CopyFinder, Picture, make_picture

_EQUAL = 8  # gray levels: no more than the noise of a good JPEG file
_EQUAL_SHARE = 0.95  # of a labeled region's pixels
_LARGE = 48  # gray levels
_LARGE_AREA = 25  # pixels
_FITS, _MISSES = 0.8, 0.2  # of the labeled pixels differ much
_MARGIN = 11  # pixels; half of it around a label may differ: masks are drawn by hand
_THUMBNAIL = 192  # pixels a side
_MOST_REGIONS, _SPECKLE = 100, 3  # of a mask; pixels of each on average
_PICTURES = 6  # of the worst pairs of each kind


class Kind(NamedTuple):
    """A kind of fault."""

    is_error: bool
    title: str
    remedy: str


KINDS = {
    'unreadable': Kind(
        True,
        'missing, damaged or no image',
        'Copy or export the file again, or take the pair out.',
    ),
    'size': Kind(
        True,
        'sizes differ within a pair',
        'Align and crop image, reference and mask to one size.',
    ),
    'value': Kind(
        True,
        'mask has a value that is not in the class map',
        'Add the value to classes.csv, or correct the mask.',
    ),
    'palette': Kind(
        True,
        'index with another color than in another mask',
        'Give the colors as #rrggbb in classes.csv, or save all masks with one '
        'palette.',
    ),
    'repeated': Kind(
        True,
        'same image in two splits',
        'Take one of them out, or give both the same split or group.',
    ),
    'near_copy': Kind(
        False,
        'nearly the same picture in two splits',
        'Give both the same split or group: scores on what was learned say nothing.',
    ),
    'group': Kind(
        True,
        'group in two splits',
        'Give all pairs of a group one split, or leave the column split empty.',
    ),
    'same_image': Kind(
        False,
        'same image on both sides of a pair',
        'Give the reference that belongs to the image.',
    ),
    'turned': Kind(
        False,
        'labels fit only if they are turned or mirrored',
        'Turn the mask as the message says: a label tool may pass over the EXIF '
        'orientation of a photograph, which is applied here.',
    ),
    'equal_pixels': Kind(
        False,
        'labeled where image and reference are equal',
        'Correct the mask, or give the image or mask that belongs to the pair.',
    ),
    'unlabelled': Kind(
        False,
        'large difference where nothing is labeled',
        "Label it, give it the name 'ignored', or take a better reference.",
    ),
    'misaligned': Kind(
        False,
        'image and reference are shifted',
        'Align them; for a few pixels train with --reference_shift.',
    ),
    'implausible': Kind(
        False,
        'labels that cannot be those of defects',
        'Look at the masks: the background may be a class, or JPEG changed values.',
    ),
    'ungrouped': Kind(
        False,
        'names suggest groups, and none are given',
        'Give --group_by or the column group, if pairs of one part are alike.',
    ),
    'unlearned': Kind(
        False,
        'class without a pixel in the training split',
        'Move pairs with it there: column split of the manifest, --splits or '
        '--split_seed.',
    ),
    'no_choice': Kind(
        False,
        'split without a defect cannot choose weights',
        'Move pairs with a defect there, or train with another --eval_split.',
    ),
    'shares': Kind(
        False,
        'split far from its share, or filled by a move',
        'Set the column split of the manifest, or give smaller groups: --group_by.',
    ),
    'fourth_band': Kind(
        False,
        'fourth band that is left out',
        'Nothing, if the first three bands show the defects; otherwise export three '
        'that do.',
    ),
    'empty_mask': Kind(
        False,
        'mask without a defect',
        'Nothing, if the part is free of defects.',
    ),
    'unusable': Kind(
        False,
        'label that could not be used',
        'Nothing: its pixels are ignored. To use it, correct it and prepare again.',
    ),
    'unused': Kind(
        False,
        'file belongs to no pair',
        'Give it the name of its image or a line in the manifest, or take it out.',
    ),
}


class LabeledPair(NamedTuple):
    """A pair as it will be learned from."""

    id: str
    image: NDArray[np.uint8]  # RGB [H, W, 3]
    reference: NDArray[np.uint8]  # RGB [H, W, 3]
    mask: NDArray[np.uint8]  # [H, W]: 0 background, 1..K defects, 255 ignored
    split: str
    group: str
    files: Sequence[str]  # of image, reference and mask; what there is of them


class Finding(NamedTuple):
    """A fault of a pair."""

    kind: str  # one of KINDS
    split: str
    id: str
    file: str
    message: str  # begins with the file
    severity: float = 0  # larger is worse; compares findings of one kind


class Examined(NamedTuple):
    """What is kept of a pair: little, since there may be very many."""

    id: str
    split: str
    group: str
    file: str  # of the image
    digest: bytes = b''  # of the image's pixels
    findings: Sequence[Finding] = ()
    thumbnail: bytes = b''  # JPEG, where there are findings
    class_pixels: Sequence[int] = ()  # of each class; empty where it was not read
    palette: Mapping[int, int] = {}  # index -> color, where classes are indices
    picture: Picture | None = None  # to find copies; None where nothing is labeled


class Report(NamedTuple):
    """What was found in a set."""

    num_pairs: dict[str, int]  # split -> pairs
    findings: list[Finding]
    pictures: dict[str, list[tuple[Finding, bytes]]]  # kind -> the worst, as JPEG

    @property
    def errors(self) -> list[Finding]:
        """The findings that stop the preparation."""
        return [f for f in self.findings if KINDS[f.kind].is_error]


def unusable_label(split: str, id: str, label: str, reason: str) -> Finding:
    """A label of a prepared set whose pixels are ignored."""
    return Finding('unusable', split, id, id, f'{id}: {label}: {reason}')


def examine(pair: LabeledPair) -> Examined:
    """Looks for all faults that a pair can have by itself."""
    shapes = [array.shape[:2] for array in (pair.image, pair.reference, pair.mask)]
    seen = Examined(
        *(pair.id, pair.split, pair.group, pair.files[0], _digest(pair.image)),
        class_pixels=np.bincount(pair.mask.ravel(), minlength=256).tolist(),
    )
    if len(set(shapes)) > 1:
        sizes = zip(('image', 'reference', 'mask'), shapes, strict=True)
        text = ', '.join(f'{name} {w} x {h}' for name, (h, w) in sizes)
        if shapes[2] == shapes[0][::-1] and shapes[0] == shapes[1]:
            text += ' (was the mask drawn without the EXIF orientation of the image?)'
        return seen._replace(findings=[_finding(pair, 'size', f'{text} pixels')])
    findings = []
    if np.array_equal(pair.image, pair.reference):
        findings.append(_finding(pair, 'same_image', 'the same as its reference'))
    elif shift := estimate_shift(pair.image, pair.reference):
        dy, dx = map(round, shift)
        text = f'off its reference by x = {dx}, y = {dy} pixels'
        findings.append(_finding(pair, 'misaligned', text, float(np.hypot(*shift))))
    findings += _label_faults(pair)
    seen = seen._replace(picture=make_picture(pair.image, pair.mask))
    thumbnail = _thumbnail(pair) if findings else b''
    return seen._replace(findings=findings, thumbnail=thumbnail)


def summarize(pairs: Iterable[Examined], *, class_names: Sequence[str] = ()) -> Report:
    """Adds the faults that a set has as a whole.

    Memory grows by its findings, and by 8 kB for a pair with labels.

    Without `class_names` nothing is said about the classes.
    """
    class_pixels: dict[str, NDArray[np.int64]] = {}
    num_pairs: Counter[str] = Counter()
    images: dict[bytes, Examined] = {}
    groups: dict[str, dict[str, Examined]] = {}  # and split -> the first pair
    palette: dict[int, tuple[int, Examined]] = {}  # index -> color, and where it is so
    copies, labeled, covered = CopyFinder(), 0, 0
    findings: list[Finding] = []
    worst: dict[str, list[tuple[float, int, Finding, bytes]]] = {}
    for number, pair in enumerate(pairs):
        num_pairs[pair.split] += 1
        if pair.class_pixels:
            covered += _is_covered(pair.class_pixels)
            labeled += any(pair.class_pixels[1:IGNORED])
            counts = class_pixels.setdefault(pair.split, np.zeros(256, np.int64))
            counts += pair.class_pixels
        found = list(pair.findings)
        # Only what identifies a pair is kept of the first of each kind.
        key = pair._replace(
            findings=(), thumbnail=b'', class_pixels=(), palette={}, picture=None
        )
        twin = images.setdefault(pair.digest, key) if pair.digest else key
        if twin.split != pair.split:
            text = f'the same pixels as {twin.file} in the split {twin.split}'
            found.append(_finding(pair, 'repeated', text))
        elif pair.picture and (copy := copies.add(pair.split, pair.file, pair.picture)):
            split, file, turn = copy
            text = f'nearly the picture of {file} in the split {split}'
            text += f', {turn}' if turn else ''
            found.append(_finding(pair, 'near_copy', text))
        of_group = groups.setdefault(pair.group, {pair.split: key})
        if pair.split not in of_group:
            of_group[pair.split] = key
            first = next(iter(of_group.values()))
            text = f'of the group {pair.group!r}, like {first.file} in {first.split}'
            found.append(_finding(pair, 'group', text))
        for index, color in pair.palette.items():
            before, where = palette.setdefault(index, (color, key))
            if before != color:
                text = (
                    f'index {index} of the mask is #{color:06x}, but #{before:06x} in '
                    f'that of {where.file}; give colors in classes.csv'
                )
                found.append(_finding(pair, 'palette', text))
        findings += found
        for finding in found if pair.thumbnail else ():
            heap = worst.setdefault(finding.kind, [])
            # -number: of equals the first is kept, and findings are never compared.
            heapq.heappush(heap, (finding.severity, -number, finding, pair.thumbnail))
            if len(heap) > _PICTURES:
                heapq.heappop(heap)
    of_classes = {
        split: counts[: len(class_names)].tolist()
        for split, counts in class_pixels.items()
    }
    findings += [
        Finding(fault.kind, fault.split, '', '', fault.message)
        for fault in label_faults(class_names, of_classes if class_names else {})
    ]
    if covered > labeled / 2:
        text = (
            f'{covered} of {labeled} masks label more than half of their image as '
            'defects; is the background the wrong value?'
        )
        findings.append(Finding('implausible', '', '', '', text))
    pictures = {
        kind: [entry[2:] for entry in sorted(heap, reverse=True)]
        for kind, heap in worst.items()
    }
    return Report(dict(num_pairs), findings, pictures)


def _is_covered(class_pixels: Sequence[int]) -> bool:
    """Whether defects take more than half of what is not ignored."""
    return sum(class_pixels[1:IGNORED]) > class_pixels[0]


def _label_faults(pair: LabeledPair) -> list[Finding]:
    defects = (pair.mask != 0) & (pair.mask != IGNORED)
    if (pair.mask == IGNORED).all():
        return []  # unlabeled
    findings = []
    if not defects.any() and len(pair.files) > 2:
        findings.append(_finding(pair, 'empty_mask', 'no defect', file=pair.files[2]))
    difference = _largest_channel(cv2.absdiff(pair.image, pair.reference))
    if turn := _find_turn(defects, difference > _LARGE):
        text = f'the labels fit what differs only if they are {turn}'
        return [*findings, _finding(pair, 'turned', text, file=pair.files[-1])]
    equal, total = _equal_regions(defects, difference <= _EQUAL)
    if total > _MOST_REGIONS and defects.sum() < _SPECKLE * total:
        text = f'{total} labeled regions, of {_SPECKLE} pixels on average at most'
        findings.append(_finding(pair, 'implausible', text, total, file=pair.files[-1]))
    if equal:
        text = (
            f'image and reference are equal (within {_EQUAL} gray levels) in '
            f'{equal} of {total} labeled regions'
        )
        findings.append(
            _finding(pair, 'equal_pixels', text, equal, file=pair.files[-1])
        )
    area, x, y = _largest_difference(pair)
    if area >= _LARGE_AREA:
        text = f'{area} pixels around x = {x}, y = {y} differ and are not labeled'
        findings.append(_finding(pair, 'unlabelled', text, area))
    return findings


def _find_turn(defects: NDArray[np.bool_], differs: NDArray[np.bool_]) -> str:
    """How labels that miss what differs are to be turned; '' if that is not clear."""

    def share(labels: NDArray[np.bool_]) -> float:
        return float(differs[labels].mean()) if labels.shape == differs.shape else 0.0

    if not defects.any() or share(defects) > _MISSES:
        return ''
    fitting = [name for name, turn in TURNS.items() if share(turn(defects)) > _FITS]
    return fitting[0] if fitting else ''


def _equal_regions(
    defects: NDArray[np.bool_], equal: NDArray[np.bool_]
) -> tuple[int, int]:
    """Of how many connected regions of `defects` nearly all is `equal`; of how many."""
    count, labels = cv2.connectedComponents(defects.astype(np.uint8))
    areas = np.bincount(labels.ravel(), minlength=count)[1:]
    shares = np.bincount(labels[equal], minlength=count)[1:] / areas
    return int((shares >= _EQUAL_SHARE).sum()), count - 1


def _largest_difference(pair: LabeledPair) -> tuple[int, int, int]:
    """Area and center (x, y) of the largest one off the labels; area 0 if none is.

    The two are brought to one mean color off the labels first, and what is thinner
    than 5 pixels is passed over: the edges of a pair that is a little off.
    """
    unlabeled = (pair.mask == 0).astype(np.uint8)
    offset = np.subtract(
        cv2.mean(pair.image, unlabeled), cv2.mean(pair.reference, unlabeled)
    )[:3]
    difference = pair.image.astype(np.float32)
    difference -= pair.reference
    difference -= offset.astype(np.float32)
    np.abs(difference, out=difference)
    large = (_largest_channel(difference) > _LARGE).astype(np.uint8)
    far = cv2.erode(unlabeled, np.ones((_MARGIN, _MARGIN), np.uint8))
    large[far == 0] = 0
    thick = cv2.morphologyEx(large, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, _, stats, centers = cv2.connectedComponentsWithStats(thick)
    if count == 1:
        return 0, 0, 0
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y = centers[largest].round().astype(int).tolist()
    return int(stats[largest, cv2.CC_STAT_AREA]), x, y


def _largest_channel(pixels: NDArray[Any]) -> NDArray[Any]:
    """`pixels.max(axis=2)`, ten times as fast."""
    red, green, blue = cv2.split(pixels)
    return cv2.max(cv2.max(red, green), blue)


def _finding(
    pair: LabeledPair | Examined,
    kind: str,
    text: str,
    severity: float = 0,
    *,
    file: str = '',
) -> Finding:
    file = file or (pair.file if isinstance(pair, Examined) else pair.files[0])
    return Finding(kind, pair.split, pair.id, file, f'{file}: {text}', severity)


def _digest(image: NDArray[np.uint8]) -> bytes:
    shape = str(image.shape).encode()
    return hashlib.blake2b(image.tobytes(), digest_size=16, key=shape).digest()


def _thumbnail(pair: LabeledPair) -> bytes:
    """Image, reference and the image with its labels in red and ignored in gray."""
    marked = pair.image // 2
    marked[(pair.mask != 0)] = (255, 60, 60)
    marked[pair.mask == IGNORED] = (128, 128, 128)
    scale = min(1.0, _THUMBNAIL / max(pair.mask.shape))
    size = [max(1, round(side * scale)) for side in pair.mask.shape[::-1]]
    row = [
        cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        for pixels in (pair.image, pair.reference, marked)
    ]
    picture = np.concatenate(row, axis=1)[..., ::-1]
    return cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
