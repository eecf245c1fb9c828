"""Judges pictures: measures, networks that judge, contact sheets."""
