"""Pages: HTML made of a template that stands with the package that fills it."""

from typing import Any

import jinja2


def render_page(package: str, template: str, **values: Any) -> str:
    """The text of a page.

    Args:
        package: dotted name; its folder `templates` has the template.
        template: name of the file. Values are escaped; one that is missing is an error.
        **values: what the template asks for.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
