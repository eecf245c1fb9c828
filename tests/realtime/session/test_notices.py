"""What was said, and what has become of it."""

from __future__ import annotations

import itertools

from realtime.lines import Line
from realtime.session.notices import Notices


def heard(*lines: str) -> Notices:
    clock = itertools.count(100.0).__next__
    notices = Notices(clock)
    for line in lines:
        notices.hear(line)
    return notices


def test_lines_are_numbered_and_know_when_they_were_said() -> None:
    first, second = heard("one", "two").shown()
    assert (first["number"], first["line"], first["at"]) == (1, "one", 100.0)
    assert (second["number"], second["line"], second["at"]) == (2, "two", 101.0)
    assert not first["alarm"] and not first["over"] and first["subject"] == ""


def test_what_is_over_takes_the_line_about_it_along_and_no_other() -> None:
    lost = Line("The camera is lost.", "camera", alarm=True)
    dark = Line("It is dark.", "dark", alarm=True)
    shown = heard(lost, dark, "plain", Line("The camera is back.", "camera", over=True)).shown()
    assert [one["over"] for one in shown] == [True, False, False, False]
    assert [one["alarm"] for one in shown] == [True, True, False, False]


def test_a_new_line_about_the_same_takes_the_place_of_the_old_one() -> None:
    slow = [Line(f"{fps} frames", "slow", alarm=True) for fps in (9, 5)]
    assert [one["over"] for one in heard(*slow).shown()] == [True, False]


def test_lines_without_a_subject_are_never_withdrawn() -> None:
    notices = heard("one", "two")
    notices.withdraw("")
    assert not any(one["over"] for one in notices.shown())


def test_only_the_newest_are_kept_and_numbers_go_on() -> None:
    shown = heard(*map(str, range(200))).shown()
    assert len(shown) < 100 and shown[-1]["number"] == 200
