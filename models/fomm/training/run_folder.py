"""A training run's folder: checkpoints, configuration, curves, and a card saying what it is.

Checkpoints have the official layout and names. What tells where exactly a run stood is a key of
its own in them, which the official code does not look at.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from models.errors import UserError

LAST = "last.pth.tar"
"""Where a run goes on."""

BEST = "best.pth.tar"
"""The weights that were best on held-out frames."""

PLACE = "avatarify_like"
"""The key of a checkpoint that tells where the run stood."""

_ENDING = "-checkpoint.pth.tar"
_COLUMNS = ("epoch", "step")


@dataclass
class Place:
    """Where a run stands: all of its random numbers follow from this and the seed.

    Attributes:
        epoch: that is under way, or is next, from 0.
        step: steps of it that are done.
        total: steps in all.
        start: mean error on held-out frames before the first step, 0..1; None: nothing held out.
        best: the lowest after an epoch.
        best_epoch: which.
        seed: of all that is drawn.
    """

    epoch: int = 0
    step: int = 0
    total: int = 0
    start: float | None = None
    best: float | None = None
    best_epoch: int = -1
    seed: int = 0


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which it replaces at once when it is whole."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


class RunFolder:
    """The folder of one run.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, names: Sequence[str], keep: int = 3) -> None:
        """Make it if it is not there.

        Args:
            path: where.
            names: of the losses.
            keep: numbered checkpoints to keep, the newest.

        Raises:
            UserError: it cannot be made.
        """
        self.path = path
        self._keep = keep
        self._fields = [*_COLUMNS, *names, "rate", "seconds"]
        try:
            (path / "sheets").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"The folder {path} cannot be made ({error.strerror}); name another with --out."
            ) from error
        for left in path.glob(".*-????????"):  # Of a run that was killed while it wrote.
            with suppress(OSError):
                left.unlink()
        self._board = _board(path)

    def save(self, name: str, state: Mapping[str, Any], place: Place) -> None:
        """Write a checkpoint in the official layout; it is there whole or not at all.

        Args:
            name: of the file.
            state: what `Trainer.state` returned.
            place: where the run stands.

        Raises:
            UserError: the disk is full or cannot be written to.
        """
        # Officially, the last finished epoch.
        data = {**state, "epoch": max(place.epoch - 1, 0), PLACE: asdict(place)}
        try:
            with replaced(self.path / name) as aside:
                torch.save(data, aside)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"The checkpoint cannot be written to {self.path} ({error}); free some space and "
                "run the same command again."
            ) from error

    def number(self, state: Mapping[str, Any], place: Place) -> None:
        """Write the checkpoint of a finished epoch and remove the oldest beyond those kept."""
        self.save(f"{place.epoch - 1:08d}{_ENDING}", state, place)
        for old in sorted(self.path.glob(f"*{_ENDING}"))[: -self._keep]:
            old.unlink()

    def last(self, seed: int) -> tuple[dict[str, Any], Place] | None:
        """The checkpoint to go on from, if there is one.

        A full one of the official code, put there under the name `LAST`, goes on after the epoch
        that it says is finished.

        Args:
            seed: of a run that has none yet.

        Raises:
            UserError: it is damaged.
        """
        path = self.path / LAST
        if not path.exists():
            return None
        state = read_state(path)
        try:
            if PLACE not in state and "optimizer_generator" in state:
                return state, Place(epoch=int(state["epoch"]) + 1, seed=seed)
            return state, Place(**state[PLACE])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path} is not one of this program's runs; name a new folder with --out and this "
                "file with --from."
            ) from error

    def write_config(self, raw: Mapping[str, Any]) -> None:
        """Write the configuration with the official keys."""
        try:
            import yaml  # type: ignore[import-untyped, unused-ignore]

            text = yaml.safe_dump(dict(raw), sort_keys=False)
        except ImportError:
            text = json.dumps(raw, indent=2) + "\n"  # Which is YAML, too.
        self.write("config.yaml", text)

    def write(self, name: str, text: str) -> None:
        """Write a small file at once."""
        with replaced(self.path / name) as aside:
            aside.write_text(text, encoding="utf-8")

    def log(self, row: Mapping[str, float], total: int) -> None:
        """Add a step to the curves."""
        path = self.path / "curves.csv"
        fresh = not path.exists()
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._fields)
            if fresh:
                writer.writeheader()
            writer.writerow({name: f"{row[name]:.6g}" for name in self._fields})
        if self._board is not None:
            for name in self._fields[len(_COLUMNS) :]:
                self._board.add_scalar(name, row[name], total)

    def log_held_out(self, epoch: int, error: float) -> None:
        """Add an epoch's error on held-out frames."""
        kept = [row for row in _rows(self.path / "held_out.csv") if int(row["epoch"]) < epoch]
        lines = ["epoch,l1", *(f"{row['epoch']},{row['l1']}" for row in kept)]
        self.write("held_out.csv", "\n".join([*lines, f"{epoch},{error:.6f}"]) + "\n")
        if self._board is not None:
            self._board.add_scalar("held_out_l1", error, epoch)

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """Write the epoch's line into log.txt, as the official code does; returns the means."""
        rows = [row for row in _rows(self.path / "curves.csv") if int(row["epoch"]) == epoch]
        names = self._fields[len(_COLUMNS) : -2]
        means = {name: sum(float(r[name]) for r in rows) / max(len(rows), 1) for name in names}
        log = self.path / "log.txt"
        old = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        old = [line for line in old if line[:8].isdigit() and int(line[:8]) < epoch]
        text = "; ".join(f"{name} - {value:.5f}" for name, value in means.items())
        self.write("log.txt", "\n".join([*old, f"{epoch:08d}) {text}"]) + "\n")
        return means

    def forget_after(self, place: Place) -> None:
        """Drop the curves' steps that are done once more, since they were not in the checkpoint."""
        path = self.path / "curves.csv"
        here = (place.epoch, place.step)
        rows = [row for row in _rows(path) if (int(row["epoch"]), int(row["step"])) < here]
        if path.exists():
            with replaced(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self._fields)
                writer.writeheader()
                writer.writerows(rows)


def read_state(path: Path) -> dict[str, Any]:
    """A checkpoint of the official layout, read without running what is in it.

    Raises:
        UserError: it cannot be read.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged pickle raises nearly anything.
        raise UserError(f"{path} cannot be read as a checkpoint; name another file.") from error
    if not isinstance(state, dict):
        raise UserError(f"{path} holds no checkpoint; name another file.")
    return state


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a csv that are whole: the last may not be, after a kill."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return [row for row in reader if None not in row.values() and all(row.values())]


def _board(path: Path) -> Any:
    """TensorBoard's writer where it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(path / "tensorboard"))  # type: ignore[no-untyped-call, unused-ignore]
