"""Feeds damaged input to everything that reads a file."""
