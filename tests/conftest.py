"""Which tests run, and what is said at the end about those that did not."""

import hypothesis
import pytest

from tests import left_out

# A machine that is busy makes a slow example, not a wrong one. (Hypothesis' own profile for CI has no deadline either.)
if not left_out.all_must_run:
    hypothesis.settings.register_profile("orlop", deadline=None)
    hypothesis.settings.load_profile("orlop")

_LATER = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="run the tests marked `full` too; what this machine lacks is a failure"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LATER] = 0
    left_out.all_must_run = left_out.all_must_run or config.getoption("--full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    later = [item for item in items if item.get_closest_marker("full")]
    config.stash[_LATER] = len(later)
    config.hook.pytest_deselected(items=later)
    items[:] = [item for item in items if not item.get_closest_marker("full")]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where all must run, a skip of any origin is a gap, and the session fails."""
    if left_out.all_must_run and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for group, reason in left_out.reasons.items():
        terminalreporter.write_line(f"left out: tests with {group}: {reason}", yellow=True)
    if left_out.all_must_run and (skipped := _skipped(config)):
        terminalreporter.write_line(f"failed: {skipped} skipped where all tests must run (CI=true or --full)", red=True)
    if later := config.stash[_LATER]:
        terminalreporter.write_line(f"left out: {later} slow tests: make test-full")


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0
