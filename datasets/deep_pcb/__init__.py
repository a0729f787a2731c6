"""DeepPCB: pairs of a tested printed circuit board and its template."""

from cadnet_jax.datasets.deep_pcb.deep_pcb_dataset_builder import Builder

__all__ = ['Builder']
