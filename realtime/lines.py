"""Lines for the user that belong to a state, so that they can be withdrawn when it is over."""

from __future__ import annotations


class Line(str):
    """One line for the user, a string for whoever only prints it.

    Attributes:
        subject: what it is about; a later line about the same takes its place.
        alarm: something is wrong, and the user should see it until it is over.
        over: the state that lines about the subject told is over with this one.
    """

    subject: str
    alarm: bool
    over: bool

    def __new__(cls, text: str, subject: str, *, alarm: bool = False, over: bool = False) -> Line:
        """Make a line.

        Args:
            text: what is said.
            subject: what it is about.
            alarm: something is wrong.
            over: what was wrong is over.
        """
        line = super().__new__(cls, text)
        line.subject, line.alarm, line.over = subject, alarm, over
        return line
