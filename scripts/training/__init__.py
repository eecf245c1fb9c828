"""Trains the eye network on rendered heads."""
