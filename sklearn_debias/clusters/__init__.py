"""Fits on other machines: the workers of a dask cluster are looked at, and may die."""

from sklearn_debias.clusters._dask import on_dask

__all__ = ["on_dask"]
