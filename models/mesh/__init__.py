"""The embedded backend: a photo moved by its landmark mesh."""
