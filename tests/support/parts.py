"""One account of tests that ran in two parts: the first writes its reports down, the second counts them, too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest


def options(parser: pytest.Parser) -> None:
    """Add the options of the parts."""
    parser.addoption("--tell", default="", help="a file to write the reports of this part to")
    parser.addoption(
        "--also", default="", help="a file with the reports of the part before, counted with ours"
    )


def account(config: pytest.Config) -> None:
    """Write down what this part reports, or report what the part before wrote."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    tell, also = config.getoption("--tell"), config.getoption("--also")
    if tell:
        Path(tell).write_bytes(pickle.dumps(list(_told(config, reporter.stats))))
    if also and Path(also).exists():
        for kind, data in pickle.loads(Path(also).read_bytes()):
            report = config.hook.pytest_report_from_serializable(config=config, data=data)
            reporter.stats.setdefault(kind, []).insert(0, report)


def _told(config: pytest.Config, stats: dict[str, list[Any]]) -> Any:
    for kind, reports in stats.items():
        for report in reversed(reports):
            if kind and isinstance(report, pytest.TestReport | pytest.CollectReport):
                data = config.hook.pytest_report_to_serializable(config=config, report=report)
                data.pop("node", None)  # the process that ran it
                yield kind, data
