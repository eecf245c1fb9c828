"""What tools can read in the sources: what each field is, and where each number comes from."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from textwrap import indent

import pytest

from tests.paths import ROOT

_ENTRY = re.compile(r" {4}(\w+)(?: \([^)]*\))?: *\S")
"""The line that begins an entry of a section, as Google's style has it."""

_PRAGMA = re.compile(r"#\s*(?:fmt|isort|mypy|noqa|pragma|pylint|ruff|type)\b")
"""A comment for tools, which tells nothing about a number."""


def undescribed(source: str) -> list[str]:
    """The fields of public dataclasses that nothing describes, as "Class.field".

    A field is described by its entry under `Attributes:` or by a docstring below it; the only field
    of a class may be described in prose.
    """
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and _is_data(node):
            fields, entries = _fields(node), _entries(ast.get_docstring(node) or "")
            missing = [name for name, told in fields.items() if not told and name not in entries]
            if len(fields) > 1:
                found += [f"{node.name}.{name}" for name in missing]
    return found


def unexplained(source: str) -> list[str]:
    """The names of a module's constants that have a number in them and no word on it.

    A word is a docstring below the constant, a comment just above it, or one beside it.
    """
    found = []
    body, comments = ast.parse(source).body, _comments(source)
    for node, following in zip(body, [*body[1:], None], strict=True):
        beside = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        told = comments.get(node.lineno - 1, False) or any(line in comments for line in beside)
        if not told and not _is_text(following):
            found += _numbers(node)
    return found


def _is_data(node: ast.ClassDef) -> bool:
    """Whether a class is a dataclass."""
    decorators = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    return any(ast.unparse(one) in ("dataclass", "dataclasses.dataclass") for one in decorators)


def _fields(node: ast.ClassDef) -> dict[str, bool]:
    """The public fields of a dataclass, and whether each has a docstring below it."""
    return {
        part.target.id: _is_text(following)
        for part, following in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        if not part.target.id.startswith("_") and "ClassVar" not in ast.unparse(part.annotation)
    }


def _entries(docstring: str) -> set[str]:
    """The names that a docstring, as `ast.get_docstring` gives it, lists under `Attributes:`."""
    names, inside = set(), False
    for line in docstring.splitlines():
        if line and not line.startswith(" "):
            inside = line == "Attributes:"
        elif inside and (entry := _ENTRY.match(line)):
            names.add(entry[1])
    return names


def _numbers(node: ast.stmt) -> list[str]:
    """The names of a constant with a number in it; none if the statement is something else."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)]
    parts = list(ast.walk(node.value))
    if any(isinstance(part, ast.Lambda) for part in parts) or not any(map(_is_number, parts)):
        return []
    return names if all(name.lstrip("_")[:1].isupper() for name in names) else []


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)


def _is_text(node: ast.stmt | None) -> bool:
    """Whether a statement is a docstring that says something."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str) and bool(node.value.value.strip())


def _comments(source: str) -> dict[int, bool]:
    """The lines with comments for people, and whether there is nothing else in the line."""
    return {
        token.start[0]: token.line.lstrip().startswith("#")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.string.strip("# ")
        if not _PRAGMA.match(token.string)
    }


def _sources() -> list[Path]:
    return [
        path
        for top in ("models", "realtime", "scripts")
        for path in sorted((ROOT / top).rglob("*.py"))
    ]


def test_every_field_of_a_public_dataclass_is_described() -> None:
    paths = _sources()
    assert len(paths) > 100
    found = {str(path.relative_to(ROOT)): undescribed(path.read_text("utf-8")) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


def test_every_number_says_where_it_comes_from() -> None:
    paths = _sources()
    assert len(paths) > 100
    found = {str(path.relative_to(ROOT)): unexplained(path.read_text("utf-8")) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


def point(section: str, fields: str = "x: int\ny: int", head: str = "@dataclass\nclass A") -> str:
    """A class whose docstring goes on with some lines."""
    docstring = indent(f'"""A point.\n\n{section}\n"""', "    ")
    return f"{head}:\n{docstring}\n{indent(fields, '    ')}\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (point(""), ["A.x", "A.y"]),
        (point("x, y: where it is."), ["A.x", "A.y"]),
        (point("x: column.\ny: row."), ["A.x", "A.y"]),
        (point("Attributes:\n    x: column."), ["A.y"]),
        (point("Attributes:\n    x: column.\n    y:"), ["A.y"]),
        (point("Attributes:\n    x: column.\n\nRaises:\n    y: no field."), ["A.y"]),
        (point("Attributes:\n    x: column, or\n        y: no entry."), ["A.y"]),
        (point("Attributes:\n    x, y: where it is."), ["A.x", "A.y"]),
        (point("Attributes:\n    x: column.", "_z: int\nx: int\ny: int"), ["A.y"]),
        (point("", 'x: int\n"""Column."""\ny: int'), ["A.y"]),
        (point("", head="@dataclass(frozen=True)\nclass A(B)"), ["A.x", "A.y"]),
        (point("", head="@other\n@dataclasses.dataclass()\nclass A"), ["A.x", "A.y"]),
        ("@dataclass\nclass A:\n    x: int\n    y: int\n", ["A.x", "A.y"]),
    ],
)
def test_a_field_that_nothing_describes_is_found(source: str, found: list[str]) -> None:
    assert undescribed(source) == found


@pytest.mark.parametrize(
    "source",
    [
        point("Attributes:\n    x: column.\n    y (int): row, and\n        more."),
        point("Raises:\n    A: b.\n\nAttributes:\n    x: column.\n\n    y: row."),
        point("", 'x: int\n"""Column."""\ny: int = 0\n"""Row."""'),
        point("Attributes:\n    x: column.", 'x: int\ny: int\n"""Row."""'),
        point("In column x.", "x: int"),
        point("In column x.", "x: int\n_y: int\nkinds: ClassVar[int] = 3\nz = 4"),
        point("", head="@dataclass\nclass _A"),
        point("", head="class A"),
        point("", head="@like.dataclass_transform()\nclass A"),
    ],
)
def test_a_field_that_is_described_is_not(source: str) -> None:
    assert undescribed(source) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("A = 3\n", ["A"]),
        ("_A: float = 0.5\n", ["_A"]),
        ("_A, _B = 1, 2\n", ["_A", "_B"]),
        ("A = B = -1\n", ["A", "B"]),
        ("SIZE = max(OTHER, 4)\n", ["SIZE"]),
        ("SIZES = {'a': (1, 2)}\n", ["SIZES"]),
        ('A = 3\n\nB = 4\n"""Of B."""\n', ["A"]),
        ("A = 3  # of A\nB = 4\n", ["B"]),
        ("# Of A.\nA = 3\nB = 4\n", ["B"]),
        ("# Not of A.\n\nA = 3\n", ["A"]),
        ('A = 3\n""" """\n', ["A"]),
        ("A = 3\nf'{A}'\n", ["A"]),
        ("A = 3  #\n", ["A"]),
        ("A = 3  # noqa: E501\n", ["A"]),
        ("# fmt: off\nA = 3\n# fmt: on\n", ["A"]),
        ("A = '# no comment', 3\n", ["A"]),
    ],
)
def test_a_number_without_a_word_is_found(source: str, found: list[str]) -> None:
    assert unexplained(source) == found


@pytest.mark.parametrize(
    "source",
    [
        'A = 3\n"""As the standard says."""\n',
        'A, B = 1, 2\n\n"""Both as the standard says."""\n',
        "A = 3  # as the standard says\n",
        "# As the standard says.\nA = 3\n",
        "A = (\n    1,  # as the standard says\n    2,\n)\n",
        "A = 'text', b'1', True, None\nB = A\nC: int\n",
        "A = lambda x: x + 1\n",
        "a = 3\n_b = 4\nA += 5\n",
        "def f():\n    A = 3\n\n\nclass B:\n    C = 4\n",
    ],
)
def test_a_number_with_a_word_is_not(source: str) -> None:
    assert unexplained(source) == []
