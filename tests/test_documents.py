"""What the documents say, as far as a machine can check it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

SET_UP = (
    "scripts/avatarify-like run --source assets/face.jpg --camera demo --record out.mp4 "
    "--seconds 10",
    "scripts/test",
)
ROOMS = ("models", "realtime", "scripts", "tests", "docs", "assets", "requirements")

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "assets/*.md", "models/**/*.md", ".github/*.md")
    for path in ROOT.glob(pattern)
)

PRESENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""Those that speak of now alone."""

INVENTED = {"models/NAME/entry_point.py", "scripts/training/train_THING.py", "scripts.ROOM.NAME"}
"""Names that stand for others."""

FOREIGN = {
    "--app",
    "--no-deps",
    "--nproc-per-node",
    "--gpus-per-node",
    "--nnodes",
    "--nodes",
    "--ntasks-per-node",
    "--rdzv-backend",
    "--rdzv-endpoint",
    "--short",
    "--show-missing",
}
"""Options of Chromium, pip, torchrun, Slurm, git, coverage and pytest."""


def text(path: Path) -> str:
    return path.read_text("utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def quoted(document: str) -> Iterator[str]:
    """What is written as code: between back-quotes, in fences, and indented."""
    yield from re.findall(r"^```\w*\n(.*?)^```", document, re.M | re.S)
    rest = re.sub(r"^```\w*\n.*?^```", "", document, flags=re.M | re.S)
    yield from re.findall(r"^    .*", rest, re.M)
    yield from re.findall(r"`([^`]+)`", rest)


def anchors(document: str) -> set[str]:
    """The names that a page's headings have in a link."""
    titles = re.findall(r"^#+ (.+)$", document, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def sections() -> list[tuple[str, str]]:
    """The Python of each second-level section of each page, as one program."""
    found = []
    for path in DOCUMENTS:
        for part in re.split(r"^(?=## )", text(path), flags=re.M):
            code = "\n".join(re.findall(r"^```python\n(.*?)^```", part, re.M | re.S))
            if code:
                found.append((f"{named(path)}: {part.splitlines()[0].strip('# ')}", code))
    return found


def test_the_readme_is_short_and_begins_with_both_commands() -> None:
    lines = text(ROOT / "README.md").splitlines()
    assert len(lines) <= 200
    top = [line.strip() for line in lines[:20] if line.startswith("    ")]
    assert tuple(top) == SET_UP


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_what_a_page_links_to_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", text(path))
    for link in links:
        if re.match(r"https://", link):
            continue
        target, _, place = link.partition("#")
        page = (path.parent / target).resolve() if target else path
        assert page.exists() and page.is_relative_to(ROOT), link
        if place:
            assert place in anchors(text(page)), link


@pytest.mark.parametrize("path", PRESENT, ids=named)
def test_every_file_and_module_that_a_page_names_exists(path: Path) -> None:
    tops = "|".join(ROOMS)
    for code in quoted(text(path)):
        names = re.findall(rf"(?<![\w./\\<>-])((?:{tops})[/\\][\w./\\-]*)", code)
        for name in names:
            name = name.rstrip(".").replace("\\", "/")
            assert name in INVENTED or (ROOT / name).exists(), name
        for module in re.findall(r"\bscripts(?:\.\w+){2,}", code):
            place = ROOT / module.replace(".", "/")
            assert module in INVENTED or place.with_suffix(".py").is_file(), module
        if re.fullmatch(r"\w+\.py", code):
            assert any(next((ROOT / room).rglob(code), None) for room in ROOMS), code


@pytest.mark.parametrize("path", PRESENT, ids=named)
def test_every_option_that_a_page_names_exists(path: Path) -> None:
    sources = [*ROOT.glob("scripts/**/*.py"), ROOT / "realtime" / "cli.py"]
    sources += [*ROOT.glob("realtime/commands/*.py"), *ROOT.glob("models/**/*command*.py")]
    ours = {word for source in sources for word in re.findall(r"--[a-z][\w-]+", text(source))}
    # Typer makes names of these from the parameters' names.
    ours |= {
        f"--{name.replace('_', '-')}"
        for source in sources
        for name in re.findall(r"^ {4,8}(\w+): ", text(source), re.M)
    }
    for code in quoted(text(path)):
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", code))
        assert options <= ours | FOREIGN


@pytest.mark.parametrize(("title", "code"), sections(), ids=[title for title, _ in sections()])
def test_the_code_of_a_section_runs(
    title: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "section.py"
    program.write_text(code, encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("AVATARIFY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path / "temporary"))
    done = subprocess.run([sys.executable, program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_examples_of_the_architecture_are_among_what_runs() -> None:
    titles = [title for title, _ in sections()]
    assert "docs/architecture.md: Add a camera or a sink" in titles


def test_the_changelog_has_this_version_and_a_place_for_the_next() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    titles = re.findall(r"^## (.+)$", text(ROOT / "CHANGELOG.md"), re.M)
    assert titles[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(project['version'])} - \d{{4}}-\d\d-\d\d", titles[1])


def test_the_workflow_runs_the_readmes_commands_with_pinned_actions_and_few_rights() -> None:
    workflow = text(ROOT / ".github" / "workflows" / "check.yml")
    runs = re.findall(r"^        run: (.+)$", workflow, re.M)
    for command in SET_UP:
        assert command in runs and command.replace("scripts/", "scripts\\", 1) in runs
    used = re.findall(r"uses: (\S+)", workflow)
    assert used and all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used)
    assert re.findall(r"^permissions:\n((?:  .+\n)+)", workflow, re.M) == ["  contents: read\n"]


def test_a_report_asks_for_what_the_program_says_of_itself() -> None:
    form = text(ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml")
    needed = re.findall(r"id: (\w+)(?:(?!id: ).)*?required: true", form, re.S)
    assert {"doctor", "log", "command", "version"} <= set(needed)
