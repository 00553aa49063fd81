"""A Report in each format that people and machines read: the same findings in all of them.

One module a format, named after it, with one function `render_report`. Each makes all text that
came from a schema, a manifest or a registry harmless for the format that it is printed in.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from codegen.diagnostics import Report

Paint: TypeAlias = "Callable[[str, str], str]"
"""Styles a text; the second argument is `error`, `warning`, `note`, `place` or `faint`."""

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "markdown")
"""Every format by the name that `--format` takes; a module is imported when it is asked for."""


def render(report: Report, format_name: str, paint: Paint | None = None) -> str:
    """The report in one of FORMATS; it ends with a line feed unless it is empty.

    `paint` is used by the text format only. Raises KeyError for a name that is no format.
    """
    if format_name not in FORMATS:
        raise KeyError(format_name)
    render_report = import_module(f"codegen.report.{format_name}").render_report
    text: str = (
        render_report(report, paint) if paint and format_name == "text" else (render_report(report))
    )
    return text
