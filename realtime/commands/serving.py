"""Serves the page of a run, and tells its address to nobody but the user."""

from __future__ import annotations

import os
import stat
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from models.errors import UserError
from realtime.commands.parts import Live
from realtime.commands.posing import PictureSigner
from realtime.panel.address import Address, HostName, has_screen, names_of
from realtime.panel.certificate import Certificate, self_made
from realtime.paths import config_folder, output_key_file

if TYPE_CHECKING:
    from realtime.panel.server import Panel


def serve(
    live: Live,
    address: Address,
    certificate: Certificate | None,
    named: list[HostName],
    sign: PictureSigner,
    console: Console,
    notify: Callable[[str], None],
) -> Callable[[], None]:
    """Serve the panel, open it where there is a screen, and return what ends it."""
    from realtime.commands.page_parts import page_parts
    from realtime.panel.server import Panel

    if certificate is None and not address.loopback:
        certificate = self_made(config_folder(), names_of(address))

    def tell_address() -> None:
        notify(f"Panel: {panel.url if _own_eyes(console) else shown.keep(panel)}")

    panel = Panel(
        live.session,
        live.preview,
        address,
        certificate,
        live.feed,
        named=named,
        output_key=output_key_file(),
        renewed=tell_address,
        features=page_parts(live, sign),
    )
    shown = _AddressFile()
    panel.start()
    tell_address()
    if certificate is not None and certificate.fingerprint is not None:
        notify(f"The browser asks about its certificate, SHA-256 {certificate.fingerprint}.")
    if not address.chosen and has_screen():
        # Other accounts can read the browser's command line.
        webbrowser.open(panel.url_for_one_use())

    def close() -> None:
        live.feed.close()
        panel.close()
        shown.close()

    return close


def _own_eyes(console: Console) -> bool:
    """Whether a console's lines go to whoever has started the program, and not into a file."""
    try:
        mode = os.fstat(console.file.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return console.file.isatty() or stat.S_ISFIFO(mode)


class _AddressFile:
    """The panel's address, in a file that only the user can read, until the run ends."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def keep(self, panel: Panel) -> str:
        """Write it, and return what to tell the user."""
        from realtime.panel.output_key import write_private

        self._path = config_folder() / f"panel-{panel.place.rstrip('/').rpartition(':')[2]}.txt"
        try:
            write_private(self._path, f"{panel.url}\n")
        except UserError as error:
            return f"{panel.place} (its key is told to a terminal only: {error})"
        return f"{panel.place} (with its key in {self._path}, which only you can read)"

    def close(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
