"""PKU-Market-PCB: photographs of circuit boards with painted defects."""

from cadnet_jax.datasets.pku_market_pcb.pku_market_pcb_dataset_builder import Builder

__all__ = ['Builder']
