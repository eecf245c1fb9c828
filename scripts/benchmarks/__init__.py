"""Measures speed and latency."""
