"""Who imports whom: one direction everywhere, and no circles."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.paths import ROOT

LAYERS = (
    ("tests",),
    ("scripts",),
    ("realtime.cli",),
    ("realtime.commands", "realtime.library"),
    ("realtime.panel",),
    ("realtime.clips",),
    ("realtime.session",),
    ("realtime.pipeline",),
    (
        "realtime.canvas",
        "realtime.animation",
        "realtime.cameras",
        "realtime.sinks",
        "realtime.provenance",
    ),
    ("realtime.devices",),
    ("realtime",),
    ("models",),
)
"""From top to bottom; a file belongs where the longest of these names begins its own. So single
files of `realtime` lie below all of its folders."""

Graph = dict[str, set[str]]


def read_imports(root: Path) -> Graph:
    """What each file of models, realtime and scripts imports of this tree, tests included.

    Imports within functions and for the type checker count, and so does the full name of a module
    in a string: what is run by `python -m`.
    """
    known = {
        _module(path.relative_to(root)): path
        for top in ("models", "realtime", "scripts", "tests")
        for path in (root / top).rglob("*.py")
    }
    graph: Graph = {}
    for module, path in known.items():
        if not module.startswith("tests"):
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            names = _names(ast.parse(path.read_text("utf-8")), package)
            found = {_longest(name, known) for name in names}
            graph[module] = found - {"", module}
    return graph


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _names(tree: ast.Module, package: str) -> list[str]:
    """All that may be the name of a module, or that of something in one."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = [*(above if node.level else []), *([node.module] if node.module else [])]
            names += [".".join([*base, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if "." in node.value and node.value.replace(".", "").isidentifier():
                names.append(node.value)
    return names


def _longest(name: str, known: Mapping[str, object]) -> str:
    """The module that a name begins with, or ""."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def upward(graph: Graph) -> list[str]:
    """Every import of a layer from one below it, as "this imports that"."""
    return [
        f"{one} imports {other}"
        for one, others in sorted(graph.items())
        for other in sorted(others)
        if _layer(other) < _layer(one)
    ]


def _layer(module: str) -> int:
    names = {name: layer for layer, names in enumerate(LAYERS) for name in names}
    return names[_longest(module, names)]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names along one circle, the first of them again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def rooms(graph: Graph) -> Graph:
    """The same between folders (and single files) of the second level, as `realtime.sinks`."""
    found: Graph = {}
    for module, others in graph.items():
        room = _room(module)
        found.setdefault(room, set()).update({_room(other) for other in others} - {room})
    return found


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.fixture(scope="module")
def graph() -> Graph:
    return read_imports(ROOT)


def test_nothing_imports_upward(graph: Graph) -> None:
    assert "models.types" in graph["realtime.frames"], "imports were read"
    assert not upward(graph)


def test_no_files_import_each_other_in_a_circle(graph: Graph) -> None:
    assert not circle(graph)


def test_no_rooms_import_each_other_in_a_circle(graph: Graph) -> None:
    assert not circle(rooms(graph))


def test_every_layer_that_is_named_exists(graph: Graph) -> None:
    for name in (name for names in LAYERS[1:] for name in names):
        assert any(f"{module}.".startswith(f"{name}.") for module in graph), name


def tree(root: Path, files: Mapping[str, str]) -> Graph:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return read_imports(root)


@pytest.mark.parametrize(
    ("low", "text", "high"),
    [
        ("models/a.py", "import realtime.b", "realtime/b.py"),
        ("models/a/b.py", "from realtime.b import X", "realtime/b.py"),
        ("models/a.py", "import tests.b as b", "tests/b.py"),
        ("realtime/a.py", "def f():\n    from scripts import b", "scripts/b.py"),
        ("realtime/frames.py", "from realtime.devices.b import X", "realtime/devices/b.py"),
        ("realtime/devices/a.py", "from ..cameras import b", "realtime/cameras/b.py"),
        (
            "realtime/sinks/file/a.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from realtime.session.b import X",
            "realtime/session/b.py",
        ),
        ("realtime/commands/a.py", "from realtime.cli import main", "realtime/cli.py"),
        ("scripts/rigs/a.py", "WORDS = ('python', '-m', 'tests.vm.b')", "tests/vm/b.py"),
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, low: str, text: str, high: str) -> None:
    found = upward(tree(tmp_path, {low: text, high: ""}))
    one, other = (name.removesuffix(".py").replace("/", ".") for name in (low, high))
    assert found == [f"{one} imports {other}"]


def test_a_downward_import_is_none(tmp_path: Path) -> None:
    files = {
        "scripts/a.py": "import realtime.cli, os.path, tests_of_others",
        "realtime/cli.py": "from realtime.commands import b",
        "realtime/commands/b.py": "from .c import X\nfrom . import c",
        "realtime/commands/c.py": "from models.d import tests, scripts",
        "models/d.py": "from __future__ import annotations",
        "tests/e.py": "import scripts.a",
    }
    graph = tree(tmp_path, files)
    assert graph["realtime.commands.b"] == {"realtime.commands.c"}
    assert graph["realtime.commands.c"] == {"models.d"}
    assert not upward(graph) and not circle(graph) and not circle(rooms(graph))


def test_a_circle_of_files_is_found(tmp_path: Path) -> None:
    files = {
        "realtime/sinks/a.py": "from realtime.sinks import b",
        "realtime/sinks/b.py": "from .c import X",
        "realtime/sinks/c.py": "def f():\n    from realtime.sinks.a import X",
    }
    graph = tree(tmp_path, files)
    names = ["realtime.sinks.a", "realtime.sinks.b", "realtime.sinks.c"]
    found = circle(graph)
    assert found[0] == found[-1] and sorted(found[1:]) == names
    assert not circle(rooms(graph)), "they share a room"


def test_a_circle_of_rooms_is_found_where_files_make_none(tmp_path: Path) -> None:
    files = {
        "models/mesh/a.py": "from models.face.b import X",
        "models/face/b.py": "",
        "models/face/c.py": "from models.mesh.d import X",
        "models/mesh/d.py": "",
    }
    graph = tree(tmp_path, files)
    assert not circle(graph)
    assert sorted(set(circle(rooms(graph)))) == ["models.face", "models.mesh"]
