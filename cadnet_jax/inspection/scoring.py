"""Parts -> the network's scores of each image, files read and registered ahead."""

import functools
import hashlib
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.files.images import has_fourth_band, read_image
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inspection.inspector import Inspector, RegisteredImage
from cadnet_jax.inspection.parts import Part


class ScoredImage(NamedTuple):
    """An image of a part, before the rules.

    Attributes:
        path: its file; '' if the view is missing.
        sha256: of the file; '' if it could not be read.
        modified: when the file was written, in ns; None likewise.
        registered: the image over its reference, or why not.
        scores: of each pixel; None if the network did not run.
        fourth_band: whether the file has one, which is left out.
    """

    path: str
    sha256: str
    modified: int | None
    registered: RegisteredImage
    scores: PixelScores | None = None
    fourth_band: bool = False


class ScoredPart(NamedTuple):
    """All views of a part, by name."""

    name: str
    images: dict[str, ScoredImage]


def score_parts(
    inspectors: Mapping[str, Inspector], parts: Iterable[Part]
) -> Iterator[ScoredPart]:
    """Yields the parts in their order, with scores.

    Threads read and register the next images while the network runs on two parts at a
    time: the last tile of one would leave a core idle. An image that cannot be read, or
    is missing, is a fault of the part and stops nothing.

    Args:
        inspectors: of each view.
        parts: their files.
    """
    read = map_ahead(functools.partial(_read, inspectors), parts)
    return map_ahead(functools.partial(_score, inspectors), read, first_alone=True)


def modified(path: pathlib.Path) -> int | None:
    """When the file was written, in ns; None if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _read(inspectors: Mapping[str, Inspector], part: Part) -> ScoredPart:
    images = {}
    for view, inspector in inspectors.items():
        if view in part.images:
            images[view] = _read_image(inspector, part.images[view])
        else:
            fault = f'view {view!r} is missing'
            images[view] = ScoredImage('', '', None, RegisteredImage(None, (fault,)))
    return ScoredPart(part.name, images)


def _score(inspectors: Mapping[str, Inspector], part: ScoredPart) -> ScoredPart:
    images = {
        view: image._replace(scores=inspectors[view].score(image.registered))
        for view, image in part.images.items()
    }
    return part._replace(images=images)


def _read_image(inspector: Inspector, path: pathlib.Path) -> ScoredImage:
    written = modified(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        image = read_image(path, inspector.recipe.bit_depth)
        fourth_band = has_fourth_band(path)
    except (ValueError, OSError) as error:
        fault = ' '.join(str(error).split())
        return ScoredImage(str(path), '', written, RegisteredImage(None, (fault,)))
    registered = inspector.register(image)
    return ScoredImage(str(path), digest, written, registered, fourth_band=fourth_band)
