"""Synthetic heads of CC0 parts: geometry, sampling, rendering."""
