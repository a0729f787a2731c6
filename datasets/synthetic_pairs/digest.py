"""A digest of the first pairs, to see whether a generator draws what another one drew.

python -m cadnet_jax.datasets.synthetic_pairs.digest --count=1000

It depends on the versions of OpenCV and Pillow, whose letters and edges differ.
"""

import argparse
import hashlib
from collections.abc import Iterator

from tqdm import tqdm

from cadnet_jax.datasets import worker_pool
from cadnet_jax.datasets.synthetic_pairs import composition
from cadnet_jax.datasets.synthetic_pairs.composition import FAMILIES, Recipe


def first_recipes(count: int, *, size: int, seed: int) -> Iterator[Recipe]:
    """The first `count` training pairs, the families in turn."""
    for index in range(count):
        number, family = divmod(index, len(FAMILIES))
        yield Recipe(FAMILIES[family], number, size, seed)


def pair_digest(recipe: Recipe) -> bytes:
    """SHA-256 over the pixels of image, reference and mask."""
    sample = composition.compose(recipe)
    digest = hashlib.sha256()
    for pixels in (sample.image, sample.reference, sample.mask):
        digest.update(pixels.tobytes())
    return digest.digest()


def digest(count: int, *, size: int = 256, seed: int = 0) -> str:
    """SHA-256 over the digests of the first `count` pairs, in hexadecimal."""
    whole = hashlib.sha256()
    recipes = first_recipes(count, size=size, seed=seed)
    for part in tqdm(worker_pool.map_in_order(pair_digest, recipes), total=count):
        whole.update(part)
    return whole.hexdigest()


def main() -> None:
    """Prints the digest."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--count', type=int, default=1000, help='Pairs.')
    parser.add_argument('--size', type=int, default=256, help='Pixels a side.')
    parser.add_argument('--seed', type=int, default=0, help='Of the generator.')
    arguments = parser.parse_args()
    print(digest(arguments.count, size=arguments.size, seed=arguments.seed))


if __name__ == '__main__':
    main()
