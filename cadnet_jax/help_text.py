"""What --help shows: the flags of a script, in groups, the most important first."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from absl import app, flags

from cadnet_jax.config_flags import flag_groups

_ENDING = (
    '',
    '--flagfile=FILE reads flags from a file, one a line. --helpfull lists those of',
    'other packages as well.',
)
_FIRST = ('data_dir', 'workdir', 'init_from', 'steps', 'batch_size')


class HelpFlag(app.HelpFlag):
    """--help in groups, with exit status 0; --helpfull stays absl's."""

    def __init__(self) -> None:
        super().__init__()
        self.allow_override = True  # absl's own is there already

    def parse(self, argument: Any) -> None:
        if self._parse(argument):
            print(help_text(sys.modules['__main__'].__doc__ or '', flags.FLAGS))
            sys.exit(0)


def help_text(description: str, values: flags.FlagValues) -> str:
    """The text of --help.

    Args:
        description: of the script.
        values: its flags; those of the main module are shown.
    """
    shown = {flag.name: flag for flag in values.get_key_flags_for_module(sys.argv[0])}
    lines = [description.strip()]
    for title, names in _groups(list(shown)):
        group = flags.FlagValues()
        for name in names:
            group[name] = shown[name]
        lines += ['', f'{title}:', group.get_help('  ', include_special_flags=False)]
    return '\n'.join([*lines, *_ENDING])


def _groups(names: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """Title and names of each group, of what a script has; alphabetical within one.

    Where it has all settings of a run, these are grouped.
    """
    groups = flag_groups()
    ours = {name for group in groups.values() for name in group}
    if not ours.issubset(names):
        yield 'Flags', list(names)
        return
    first = [name for name in _FIRST if name in names]
    if first:
        yield 'What matters first', first
    if own := [name for name in names if name not in ours and name not in first]:
        yield 'Flags of this script', own
    for title, group in groups.items():
        if chosen := [name for name in group if name in names and name not in first]:
            yield title, chosen
