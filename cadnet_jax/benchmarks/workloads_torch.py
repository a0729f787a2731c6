"""Hugging Face's SegFormer in PyTorch, to compare with: single images.

Neither library is needed for anything else; both are imported when a job starts.
"""

import contextlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from cadnet_jax.benchmarks.benchmark import Job, Settings

_NUM_CLASSES = 3


def check_installed() -> None:
    """Raises ValueError where PyTorch or transformers is missing."""
    for name in ('torch', 'transformers'):
        if importlib.util.find_spec(name) is None:
            raise ValueError(
                f'{name} is not installed: workloads of torch compare with Hugging '
                "Face's SegFormer. Install it: pip install torch transformers"
            )


def torch_forward(settings: Settings) -> Job:
    """The network in evaluation: normalized images on the device to logits."""
    import torch

    network, images, _, device = _segformer(settings)
    network.eval()

    def run() -> None:
        with torch.inference_mode(), _autocast(settings, device):
            network(pixel_values=images)
        _wait(device)

    return Job(run, len(images))


def torch_training_step(settings: Settings) -> Job:
    """Normalized images on the device to updated parameters, by AdamW."""
    import torch

    network, images, labels, device = _segformer(settings)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=6e-5)

    def run() -> None:
        with _autocast(settings, device):
            loss = network(pixel_values=images, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        _wait(device)

    return Job(run, len(images))


TORCH_WORKLOADS: dict[str, Callable[[Settings], Job]] = {
    function.__name__: function for function in (torch_forward, torch_training_step)
}


def _segformer(settings: Settings) -> tuple[Any, Any, Any, str]:
    """The network of size B0 with random weights, images, labels and their device."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.manual_seed(0)
    # The defaults are those of B0: 2 blocks a stage, 32 to 256 channels, decoder 256.
    network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=_NUM_CLASSES))
    batch, side = settings.config.data.batch_size, settings.config.data.crop_size
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, side, side), np.float32)
    labels = rng.integers(0, _NUM_CLASSES, (batch, side, side))
    return (
        network.to(device),
        torch.from_numpy(images).to(device),
        torch.from_numpy(labels).to(device),
        device,
    )


def _autocast(
    settings: Settings, device: str
) -> contextlib.AbstractContextManager[object]:
    import torch

    enabled = settings.config.model.dtype == 'bfloat16'
    context: contextlib.AbstractContextManager[object] = torch.autocast(
        device, torch.bfloat16, enabled=enabled
    )
    return context


def _wait(device: str) -> None:
    import torch

    if device == 'cuda':
        torch.cuda.synchronize()
