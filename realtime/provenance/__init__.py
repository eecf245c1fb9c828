"""Signed provenance: what made a video is written into it (C2PA), and can be checked later."""
