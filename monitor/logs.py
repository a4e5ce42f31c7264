"""Logs: one rich line per unit of work, JSON where no person watches, known secrets filtered out."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from monitor.secrets import without_secrets


def set_up_logs(*, verbose: bool) -> None:
    """Send logs to standard error, as JSON unless it is a terminal; ``verbose``: info too, else warnings and above."""
    level = logging.INFO if verbose else logging.WARNING
    renderer: Callable[..., Any] = (
        structlog.processors.JSONRenderer()
        if not sys.stderr.isatty()
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _filtered,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whichever it is by then, never a closed one
        cache_logger_on_first_use=False,
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _filtered(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The second filter of P7: no known secret leaves by a log line."""
    return {key: without_secrets(value) if isinstance(value, str) else value for key, value in event.items()}
