"""Builds a release: wheel, bill of materials, audit."""
