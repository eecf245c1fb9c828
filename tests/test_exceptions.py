"""What is caught whole is told somewhere: raised, logged, or counted as a fault."""

from __future__ import annotations

import ast

import pytest

from tests.paths import ROOT

_FILES = sorted(path for folder in ("realtime", "models") for path in (ROOT / folder).rglob("*.py"))
_WHOLE = {"Exception", "BaseException"}
_COUNTED = {"count_fault", "add", "_fail", "_failed", "unexpected"}
"""What counts a fault, or keeps it to be raised later."""


def _names(node: ast.expr | None) -> set[str]:
    if node is None:
        return {"BaseException"}
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _told(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises, logs with the traceback, counts, or keeps the error."""
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            logs = isinstance(node.func.value, ast.Name) and node.func.value.id == "_log"
            traced = node.func.attr == "exception" or any(
                word.arg == "exc_info" for word in node.keywords
            )
            given = {name for word in node.args for name in _names(word)}
            if (logs and traced) or (node.func.attr in _COUNTED and handler.name in given):
                return True
        if isinstance(node, ast.Assign) and handler.name is not None:
            kept = isinstance(node.value, ast.Name) and node.value.id == handler.name
            if kept and isinstance(node.targets[0], ast.Attribute):
                return True
    return False


def silent(source: str) -> list[int]:
    """The lines that catch everything and tell nobody."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _names(node.type) & _WHOLE and not _told(node):
            found.append(node.lineno)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            if any(_names(word) & _WHOLE for word in node.args):
                found.append(node.lineno)
    return found


def test_nothing_is_caught_in_silence() -> None:
    assert len(_FILES) > 100
    found = [(path.name, line) for path in _FILES for line in silent(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("except Exception: pass", [2]),
        ("except: pass", [2]),
        ("except (OSError, Exception) as e: print(e)", [2]),
        ("except Exception as e: _log.debug('x %s', e)", [2]),
        ("except Exception as e: self.last = str(e)", [2]),
        ("except ValueError: pass", []),
        ("except Exception: raise", []),
        ("except Exception as e: raise X from e", []),
        ("except Exception as e: _log.debug('x', exc_info=e)", []),
        ("except Exception: _log.exception('x')", []),
        ("except Exception as e: self.count_fault(e)", []),
        ("except BaseException as e: self._error = e", []),
    ],
)
def test_the_search_knows_silence(body: str, lines: list[int]) -> None:
    assert silent(f"try: work()\n{body}\n") == lines
    assert silent("with contextlib.suppress(Exception): work()") == [1]
    assert silent("with suppress(OSError): work()") == []
