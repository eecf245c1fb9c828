"""Sizes and names that all parts of the backend share."""

SIDE = 256
"""Pixels of a side of the pictures that the networks take."""

OUTPUT = 512
"""Pixels of a side of the picture that they give."""

KEYPOINTS = 21
"""Keypoints, each (x, y, z)."""

MODULES = (
    "appearance_feature_extractor",
    "motion_extractor",
    "warping_module",
    "spade_generator",
    "stitching",
    "lip",
    "eye",
)
"""The networks by the names of the official configuration."""
