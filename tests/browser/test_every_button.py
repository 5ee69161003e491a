"""Runs last: whatever a person can press in sidebar, panels and cells was pressed by a test before this one."""

from __future__ import annotations

from fnmatch import filter as filter_names
from pathlib import Path

import pytest

from tests.browser.recorder import Recorder, actions_of_sources

ALL = {path.name for path in Path(__file__).parent.glob("test_*.py")}


@pytest.fixture
def whole(recorder: Recorder) -> None:
    """Nothing can be said when only some of the tests have run."""
    if not recorder.files >= ALL:
        pytest.skip("only with all browser tests")


@pytest.mark.usefixtures("whole")
def test_every_button_of_the_sources_was_pressed(recorder: Recorder) -> None:
    assert {action for action in actions_of_sources() if not filter_names(recorder.pressed, action)} == set()


@pytest.mark.usefixtures("whole")
def test_every_button_that_was_seen_was_pressed(recorder: Recorder) -> None:
    assert recorder.shown - recorder.pressed == set()


def test_every_control_that_was_seen_is_called_by_its_action(recorder: Recorder) -> None:
    assert recorder.unnamed == set()
