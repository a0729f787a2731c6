"""MVTec AD: photographs of fifteen kinds of objects, with and without defects."""

from cadnet_jax.datasets.mvtec_ad.mvtec_ad_dataset_builder import Builder

__all__ = ['Builder']
