"""The loop: from a folder of clips to a checkpoint, going on where it was interrupted.

Nothing is drawn from a state that a kill could lose: the order of pairs, what each pair is, and the
bends of a step follow from the seed, the epoch and the step's number alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from models.errors import UserError
from models.fomm.training.card import card
from models.fomm.training.dataset import DataParams, FramePairs
from models.fomm.training.deformation import Bend
from models.fomm.training.frame_cache import FrameCache
from models.fomm.training.held_out import HeldOut
from models.fomm.training.losses import loss_names
from models.fomm.training.options import Options
from models.fomm.training.perceptual import Judge, open_judge
from models.fomm.training.processes import Processes, processes
from models.fomm.training.run_folder import BEST, LAST, Place, RunFolder, read_state
from models.fomm.training.settings import Settings
from models.fomm.training.trainer import PARTS, Trainer

_ORDER, _BEND = 2, 3
"""Mark the random numbers of the pairs' order and of the bends among those that share a seed."""

FREEZABLE = {
    "detector": ("kp_detector", ""),
    "motion": ("generator", "dense_motion_network"),
    "encoder": ("generator", ("first", "down_blocks")),
}
"""What can be kept from learning, and where it is."""


Tell = Callable[[str], None]


def train(
    settings: Settings, options: Options, tell: Tell = print, judge: Judge | None = None
) -> Place:
    """Train until it is done, or go on with a run whose folder is there.

    Args:
        settings: what to train.
        options: on what, how long, and where to.
        tell: called with lines for the user.
        judge: the perceptual network; None: the best that can be had.

    Returns:
        Where it stood at the end.

    Raises:
        UserError: something cannot be used; says what.
        KeyboardInterrupt: the user's, after a checkpoint was written.
    """
    with processes(torch.device(options.device).type) as group:
        run = _Run(settings, options, group, tell if group.first else _silent, judge)
        return run.go()


def _silent(line: str) -> None:
    """Only the first process talks."""


class _Run:
    """The parts of a run, and the loop over them."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        group: Processes,
        tell: Tell,
        judge: Judge | None,
    ) -> None:
        self.options, self.group, self.tell = options, group, tell
        params = replace(DataParams.of(settings.raw["dataset_params"], options.data))
        cache = FrameCache(options.cache or options.out / "frames")
        if settings.batch % group.world:
            raise UserError(
                f"A batch of {settings.batch} cannot be shared by {group.world} processes; choose "
                "a multiple with --batch."
            )
        pairs = FramePairs(params, options.seed, settings.repeats, cache)
        if len(pairs) < settings.batch:
            repeats = ceil(settings.batch * settings.repeats / len(pairs))
            tell(f"An epoch would have less than one batch: each clip is visited {repeats} times.")
            settings = replace(settings, repeats=repeats)
            pairs = FramePairs(params, options.seed, repeats, cache)
        self.settings, self.pairs = settings, pairs
        count = len(pairs.clips)
        tell(f"{count} clip{'s' * (count != 1)}, {pairs.prepare()} frames to train on")
        for line in pairs.clips.warnings():
            tell(line)
        self.held = self._held_out(params, cache)
        self.judge = judge or open_judge(options.vgg, options.smaller)
        if self.judge.note:
            tell(self.judge.note)
        torch.manual_seed(options.seed)
        device = f"cuda:{group.local}" if options.device == "cuda" else options.device
        self.trainer = Trainer(
            settings,
            self.judge.network,
            device,
            mixed=options.mixed,
            channels_last=True,
        )
        names = (*loss_names(settings.adversarial), *(["disc_gan"] * settings.adversarial))
        self.folder = RunFolder(options.out, names, options.keep)
        self.place = self._start()
        _freeze(self.trainer, options.freeze)
        if options.compiled:
            for half in self.trainer.halves.values():
                half.compile()
        group.wrap(self.trainer)

    def go(self) -> Place:
        """Run epochs until the end."""
        if self.group.first:
            self.folder.write_config(self.settings.raw)
            self._write_card()
        if self.held is not None and self.place.start is None:
            self.place.start = self.place.best = self.held.error(self.trainer)
            self.tell(
                f"Held-out frames: error {self.place.start:.4f}; standing still costs "
                f"{self.held.still:.4f}"
            )
        try:
            while self.place.epoch < self.settings.epochs and not self._enough():
                self._epoch()
        except KeyboardInterrupt:
            self._save()
            self.tell(f"Interrupted; the same command goes on from {self.folder.path / LAST}.")
            raise
        return self.place

    def _held_out(self, params: DataParams, cache: FrameCache) -> HeldOut | None:
        try:
            pairs = FramePairs(params, self.options.seed, 1, cache, part="test")
        except UserError as error:
            self.tell(f"No clip is held out ({error}); so nothing tells when to stop.")
            return None
        pairs.prepare()
        return HeldOut(pairs.clips)

    def _start(self) -> Place:
        """Load what there is to go on from, or to start from."""
        found = self.folder.last(self.options.seed)
        if found is not None:
            state, place = found
            if place.seed != self.options.seed:
                raise UserError(
                    f"The run in {self.folder.path} has the seed {place.seed}; give that with "
                    "--seed or name a new folder with --out."
                )
            try:
                self.trainer.load(state)
            except (KeyError, ValueError, RuntimeError) as error:
                raise UserError(
                    f"The run in {self.folder.path} does not fit this configuration; name a new "
                    "folder with --out."
                ) from error
            self.folder.forget_after(place)
            self.tell(f"Going on in epoch {place.epoch}, step {place.step}")
            return place
        if self.options.start is not None:
            state = read_state(self.options.start)
            self._fit(state, PARTS)
        return Place(seed=self.options.seed)

    def _fit(self, state: Mapping[str, Any], parts: tuple[str, ...]) -> None:
        """Load networks; a discriminator of another kind is left as it is, whole."""
        for part in parts:
            network = self.trainer.networks[part]
            wanted = network.state_dict()
            given = state.get(part)
            fits = isinstance(given, Mapping) and all(
                key in given and given[key].shape == value.shape
                for key, value in wanted.items()
                if not key.endswith("num_batches_tracked")
            )
            if fits and given is not None:
                network.load_state_dict({**wanted, **{k: given[k] for k in wanted if k in given}})
            elif part != "discriminator":
                raise UserError(
                    f"The {part} of the checkpoint does not fit {self.settings.name}; name the "
                    "configuration it was trained with."
                )
            elif self.settings.adversarial:
                self.tell("The checkpoint has no fitting discriminator: it starts afresh.")

    def _batches(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The rest of the epoch's batches, this process's share of each, with their numbers."""
        place, size, group = self.place, self.settings.batch, self.group
        self.pairs.set_epoch(place.epoch)
        order = np.random.default_rng([place.seed, _ORDER, place.epoch]).permutation(
            len(self.pairs)
        )
        numbers = range(place.step, len(order) // size)
        shares = [
            order[n * size : (n + 1) * size][group.rank :: group.world].tolist() for n in numbers
        ]
        loader: DataLoader[Any] = DataLoader(
            self.pairs,
            batch_sampler=shares,
            num_workers=self.options.workers,
            pin_memory=self.trainer.device.type == "cuda",
        )
        yield from zip(numbers, loader, strict=True)

    def _bend(self, step: int) -> Bend:
        """The transforms of this process's share of a step."""
        settings, group = self.settings, self.group
        words = np.random.SeedSequence([self.place.seed, _BEND, self.place.epoch, step])
        generator = torch.Generator().manual_seed(int(words.generate_state(1)[0]))
        whole = Bend.draw(
            settings.batch,
            settings.sigma_affine,
            settings.sigma_tps,
            settings.points_tps,
            generator,
        )
        mine = slice(group.rank, None, group.world)
        return Bend(whole.affine[mine], whole.weights[mine])

    def _epoch(self) -> None:
        place = self.place
        self.trainer.set_epoch(place.epoch)
        rate = self.settings.rate(self.settings.rates.generator, place.epoch)
        saved = shown = time.monotonic()
        for step, batch in self._batches():
            began = time.monotonic()
            done = self.trainer.step(batch["source"], batch["driving"], self._bend(step))
            values = self.group.mean(torch.stack(list(done.losses.values()))).tolist()
            losses = dict(zip(done.losses, values, strict=True))
            now = time.monotonic()
            place.step, place.total = step + 1, place.total + 1
            if not np.isfinite(values).all():
                raise UserError(
                    f"The losses are no numbers any more in epoch {place.epoch}; run the same "
                    "command again to go on from the last checkpoint, with a lower --rate."
                )
            if self.group.first:
                row = {"epoch": place.epoch, "step": step, "rate": rate, "seconds": now - began}
                self.folder.log({**row, **losses}, place.total)
                if now - saved > self.options.save_seconds:
                    self._save()
                    saved = now
            if now - shown > 10:  # Often enough to see that it goes on.
                shown = now
                text = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
                of = len(self.pairs) // self.settings.batch
                self.tell(f"Epoch {place.epoch}, step {step + 1} of {of}: {text}")
            if self.options.steps and place.total >= self.options.steps:
                break
        self._look(whole=place.step >= len(self.pairs) // self.settings.batch)

    def _look(self, whole: bool) -> None:
        """After an epoch, or where the run ends within one: see how good it is, and keep it."""
        place = self.place
        done = place.epoch
        if whole:
            place.epoch, place.step = done + 1, 0
        if not self.group.first:
            return
        means = self.folder.finish_epoch(done)
        text = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        if self.held is not None:
            error = self.held.error(self.trainer)
            self.folder.log_held_out(done, error)
            text += f"; held-out error {error:.4f}, at the start {place.start:.4f}"
            if place.best is None or error < place.best:
                place.best, place.best_epoch = error, done
                self.folder.save(BEST, self.trainer.state(), place)
            self.held.write_sheet(self.trainer, self.folder.path / "sheets" / f"{done:08d}.png")
        self.tell(f"Epoch {done}{'' if whole else ' (not finished)'}: {text}")
        last = place.epoch == self.settings.epochs
        if whole and (last or place.epoch % self.settings.keep_every == 0):
            self.folder.number(self.trainer.state(), place)
        self._save()
        self._write_card()

    def _enough(self) -> bool:
        """Whether to stop before the last epoch."""
        place, options = self.place, self.options
        if options.steps and place.total >= options.steps:
            return True
        waited = place.epoch - 1 - max(place.best_epoch, -1)
        stop = bool(options.patience and self.held and place.step == 0)
        stop = self.group.first_says(stop and waited >= options.patience)
        if stop:
            self.tell(f"No gain on held-out frames for {waited} epochs: stopped.")
        return stop

    def _save(self) -> None:
        if self.group.first:
            self.folder.save(LAST, self.trainer.state(), self.place)

    def _write_card(self) -> None:
        still = self.held.still if self.held else None
        text = card(self.settings, self.options, self.pairs, self.judge, self.place, still)
        self.folder.write("card.md", text)


def _freeze(trainer: Trainer, names: tuple[str, ...]) -> None:
    """Keep parts from learning: their weights and their statistics."""
    for name in names:
        if name not in FREEZABLE:
            raise UserError(f"{name!r} cannot be frozen; choose of: {', '.join(FREEZABLE)}.")
        part, inside = FREEZABLE[name]
        network = trainer.networks[part]
        for key in (inside,) if isinstance(inside, str) else inside:
            network.get_submodule(key).eval().requires_grad_(False)
