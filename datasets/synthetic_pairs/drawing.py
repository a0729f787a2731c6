"""What a family of products says about one product."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]  # uint8 RGB [H, W, 3]


class Drawing(NamedTuple):
    """The nominal drawing of a product.

    Attributes:
        render: `render(part, altered)` draws one part, uint8 [size, size, 3]. `part`
            seeds its tolerance: what differs between two good parts. `altered` has the
            structural defects of this part: a number from `range(alterations)` and the
            part whose tolerance the defect takes, for two parts with the same defect.
            Apart from the altered places the tolerance does not depend on `altered`.
        alterations: how many structural defects the product offers, such as a missing
            or turned component, a cut track, a missing letter.
        ignored: bool [size, size], True where good parts may differ in any way (a
            serial number); None where there is no such place.
    """

    render: Callable[[int, Mapping[int, int]], Pixels]
    alterations: int = 0
    ignored: NDArray[np.bool_] | None = None
