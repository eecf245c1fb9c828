"""The face networks that come along, run by ONNX Runtime."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from models import onnx_build
from models.errors import UserError
from models.types import Floats

NetworkName: TypeAlias = Literal["detector", "landmarks"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)


def weights_path(name: NetworkName) -> Path:
    """Where a network's file lies; its licence and origin are told beside it."""
    return Path(__file__).parent / "weights" / f"{name}.onnx"


@cache
def load_network(name: NetworkName) -> Network:
    """The network that comes along; loaded at the first call and shared after it.

    Raises:
        UserError: its file is missing or broken.
    """
    return Network(weights_path(name))


class Network:
    """A loaded network of one input. It keeps nothing of a run, so threads may share it."""

    def __init__(self, path: Path) -> None:
        """Load an ONNX file.

        Raises:
            UserError: it is missing or broken, or ONNX Runtime is.
        """
        onnx_build.check()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the other cores are the renderer's
        options.log_severity_level = 3  # its warnings tell of its own optimisations
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises many types, all of its own.
            raise UserError(
                f"The network {path} is missing or broken; install the program again."
            ) from error

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs for one float32 input, NCHW if it is a picture, as flat float32 vectors."""
        return [out.ravel() for out in self._session.run(None, {"input": tensor})]
