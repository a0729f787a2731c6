"""The page of the example parts: a file that needs no other."""

import base64
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from cadnet_jax.benchmarks.examples import Differencing, Inspected, total
from cadnet_jax.data.labels import is_defect
from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.pages import render_page
from cadnet_jax.inspection.verdict_picture import draw_verdict

_QUALITY = 85  # of a JPEG, percent
_HEIGHT = 300  # pixels of a picture


def write_page(
    path: pathlib.Path, parts: Sequence[Inspected], differencing: Differencing
) -> None:
    """Writes the page: each part as it came, its reference, label and verdict."""
    page = render_page(
        'cadnet_jax.benchmarks',
        'examples.html',
        parts=[_entry(part, differencing.threshold) for part in parts],
        differencing=differencing,
        network_total=total([part.network for part in parts]),
        differencing_total=total([part.differencing for part in parts]),
    )
    write_text(path, page)


def table(parts: Sequence[Inspected]) -> list[str]:
    """Lines of text: a part each, and the sums."""
    heads = f'{"":11}{"network":30}{"differencing"}'
    names = f'{"part":11}' + 2 * f'{"verdict":8}{"found missed false":22}'
    lines = [heads, names]
    for part in parts:
        lines.append(
            f'{part.name:11}'
            + _cells(part.inspection.verdict, part.network)
            + _cells(part.difference_verdict, part.differencing)
        )
    sums = ([part.network for part in parts], [part.differencing for part in parts])
    lines.append(f'{"all":11}' + ''.join(_cells('', total(found)) for found in sums))
    return [line.rstrip() for line in lines]


def _cells(verdict: str, found: Sequence[int]) -> str:
    return f'{verdict:8}{found[0]:5}{found[1]:7}{found[2]:6}    '


def _entry(part: Inspected, threshold: float) -> dict[str, Any]:
    pair, inspection = part.pair, part.inspection
    pictures = {
        'reference': pair.reference,
        'part': pair.image,
        'its label': _outlined(pair.image, is_defect(pair.mask)),
        'inspection': draw_verdict(inspection),
    }
    if part.difference is not None and inspection.image is not None:
        marked = part.difference > threshold
        pictures['differencing'] = _outlined(inspection.image, marked)
    return {
        'name': part.name,
        'verdict': inspection.verdict,
        'network': part.network,
        'differencing': part.differencing,
        'difference_verdict': part.difference_verdict,
        'pictures': {name: _jpeg(picture) for name, picture in pictures.items()},
    }


def _outlined(image: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """The image with a red line around what is marked."""
    outlines, _ = cv2.findContours(
        marked.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return cv2.drawContours(image.copy(), outlines, -1, (255, 0, 0), 2)


def _jpeg(image: np.ndarray) -> str:
    """A JPEG in base64."""
    width = round(image.shape[1] * _HEIGHT / image.shape[0])
    image = cv2.resize(image, (width, _HEIGHT), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', image[..., ::-1], options)[1].tobytes()
    return base64.b64encode(data).decode()
