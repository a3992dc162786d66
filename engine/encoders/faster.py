"""A faster way to run the same network on a CPU, where OpenVINO is installed (engine/encoders/openvino.txt).

Pictures in, embeddings out, no gradient: maps and training stay with torch. On a processor with bf16 instructions
OpenVINO computes in bf16 by itself; the numbers then differ in the third digit, and the encoder's identity says so.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.encoders.embedding import Embedder, of_maps, with_texture

Embed = Callable[[Tensor, bool], Tensor]
EXAMPLE = (2, 3, 128, 128)  # traced with it: any number of pictures of this size may be asked afterwards


def available() -> bool:
    return importlib.util.find_spec("openvino") is not None


class Stages(nn.Module):
    """What OpenVINO computes: the networks' maps, pooled. Texture stays with torch, in 32 bits: one channel of a grey
    picture is enough there, and logarithms of small differences are no work for bf16."""

    def __init__(self, embedder: Embedder):
        super().__init__()
        self.network = embedder.network

    def forward(self, views: Tensor) -> Tensor:
        return of_maps(self.network(views))


def by_openvino(embedder: Embedder) -> tuple[Embed, str] | None:
    """((pictures (n, 3, rows, columns), all channels equal) -> (n, d), "f32" or "bf16"), or None where OpenVINO is not
    there or fails.

    Takes some seconds once. Uses as many threads as torch does.
    """
    if not available():
        return None
    # OpenVINO reports its use to its makers where this package is found. Nothing leaves the machine: it is not found.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino

        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # about sizes, which stay those of EXAMPLE
            model = openvino.convert_model(Stages(embedder).eval(), example_input=torch.rand(EXAMPLE))
        settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        precision = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    except Exception:  # a foreign runtime may fail in any way; torch is always there
        logging.getLogger("handful.encoder").exception(
            "OpenVINO is installed but could not take the network; torch does it"
        )
        return None

    def embed(views: Tensor, grey: bool = False) -> Tensor:
        pooled = torch.from_numpy(compiled(views.contiguous().numpy())[0].copy())
        return embedder.standardise(with_texture(pooled, views, grey))

    return embed, precision
