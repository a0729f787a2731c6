"""results.html: all parts of a run on one page that needs no other file."""

import base64
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import cv2

from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.images import read_image
from cadnet_jax.files.pages import render_page
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection.results import SEVERITY, defects_of, file_name

_WIDTH = 480  # pixels of a picture
_QUALITY = 80
_MOST_PICTURES = 400  # the page of 2,000 parts stays below some 20 MB


def write_page(folder: pathlib.Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Writes results.html: NG first, then INVALID, then OK; each by its score.

    Pictures are those of overlays/, reduced, of the parts that are not OK. Others are
    linked.
    """
    ordered = sorted(results, key=_rank)
    page = render_page(
        'cadnet_jax.inspection',
        'results.html',
        run=read_object(folder / 'run.json', remedy='Take another folder.'),
        counts={
            verdict: Counter(part['verdict'] for part in results)[verdict]
            for verdict in reversed(SEVERITY)
        },
        parts=[_entry(folder, part, n) for n, part in enumerate(ordered)],
    )
    write_text(folder / 'results.html', page)


def _rank(part: Mapping[str, Any]) -> tuple[int, float, str]:
    scores = [defect['defect_score'] for defect in defects_of(part)]
    return -SEVERITY.index(part['verdict']), -max(scores, default=0), part['part']


def _entry(
    folder: pathlib.Path, part: Mapping[str, Any], number: int
) -> dict[str, Any]:
    names = [file_name(part['part'], view) for view in part['views']]
    files = [folder / 'overlays' / f'{name}.png' for name in names]
    files = [file for file in files if file.exists()]
    embedded = part['verdict'] != 'OK' and number < _MOST_PICTURES
    return {
        'name': part['part'],
        'verdict': part['verdict'],
        'reasons': part['reasons'],
        'images': [view['image'] for view in part['views'].values() if view['image']],
        'links': [f'overlays/{file.name}' for file in files],
        'pictures': [_picture(file) for file in files] if embedded else [],
    }


def _picture(path: pathlib.Path) -> str:
    """A JPEG in base64."""
    image = read_image(path)
    height = round(image.shape[0] * _WIDTH / image.shape[1])
    image = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', image[..., ::-1], options)[1].tobytes()
    return base64.b64encode(data).decode()
