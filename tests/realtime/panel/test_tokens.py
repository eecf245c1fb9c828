"""Tokens of single files."""

from __future__ import annotations

from pathlib import Path

from realtime.panel.tokens import TOKEN_LIFE, FileTokens

ONE, OTHER = Path("one.mp4"), Path("other.mp4")


def test_a_token_opens_its_file_alone_and_no_other_text_opens_any() -> None:
    tokens = FileTokens()
    one, other = tokens.give(ONE), tokens.give(OTHER)
    assert tokens.path(one) == ONE
    assert tokens.path(other) == OTHER
    for wrong in ("", "one.mp4", one[:-1], one + other):
        assert tokens.path(wrong) is None


def test_it_ends_a_while_after_its_last_use() -> None:
    now = [0.0]
    tokens = FileTokens(lambda: now[0])
    token = tokens.give(ONE)
    for _ in range(3):  # A long video is read piece by piece.
        now[0] += TOKEN_LIFE - 1
        assert tokens.path(token) == ONE
    now[0] += TOKEN_LIFE + 1
    assert tokens.path(token) is None


def test_what_is_moved_is_no_longer_opened() -> None:
    tokens = FileTokens()
    tokens_of_one, other = [tokens.give(ONE), tokens.give(ONE)], tokens.give(OTHER)
    tokens.revoke(ONE)
    assert [tokens.path(token) for token in tokens_of_one] == [None, None]
    assert tokens.path(other) == OTHER


def test_the_newest_stay_where_there_are_too_many() -> None:
    tokens = FileTokens()
    given = [tokens.give(ONE) for _ in range(500)]
    assert tokens.path(given[-1]) == ONE
    assert tokens.path(given[0]) is None
    assert sum(tokens.path(token) is not None for token in given) <= 200
