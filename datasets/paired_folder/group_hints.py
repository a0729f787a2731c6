"""Whether names suggest which pairs show one part, where no group is given."""

import re
from collections import Counter
from collections.abc import Sequence

_FEWEST_GROUPS = 3
# For --group_by, the coarsest first: the folder, and what is ahead of the first or the
# last '_', '-' or space of a name, with a digit in it.
_PATTERNS = (
    r'([^/]+)/[^/]+$',
    r'([^/_\- ]*\d[^/_\- ]*)[_\- ][^/]*$',
    r'([^/]*\d[^/]*)[_\- ][^/]+$',
)


def suggest_groups(ids: Sequence[str]) -> str:
    """A sentence on the groups that names suggest, with the flag; '' if none do.

    Args:
        ids: of pairs that are a group each.
    """
    for pattern in _PATTERNS:
        found = [re.search(pattern, id) for id in ids]
        if not all(found):
            continue
        groups = Counter(match[1] for match in found if match)
        if _FEWEST_GROUPS <= len(groups) <= len(ids) / 2:
            [(name, count)] = groups.most_common(1)
            return (
                f'the names of {len(ids)} pairs suggest {len(groups)} groups, such as '
                f"{name!r} with {count}: --group_by='{pattern}'. Without groups, "
                'pictures of one part may be in two splits'
            )
    return ''
