"""The one error type that a user sees."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence that says what is wrong and what to do next; the command line
    prints it as it is, without a traceback, and exits with `exit_code`.
    """

    exit_code: int = 2
