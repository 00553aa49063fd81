"""How templates become text: strictly, and the same way for every target.

Templates loop, test a boolean and print; a name that is not there is an error. They escape nothing:
what they print was prepared by a view, which turned the users' text into literals of its language.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def render(package: str, template: str, values: Mapping[str, object]) -> str:
    """Fill a template of the folder `templates` of a package. The text ends with one line end."""
    text = _environment(package).get_template(template).render(values)
    return text.strip("\n") + "\n"


@cache
def _environment(package: str) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 50 ms

    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        newline_sequence="\n",
    )
    environment.filters.clear()
    environment.globals.clear()
    return environment
