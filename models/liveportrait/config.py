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

DEPTH = 16
"""Planes of the volume of features."""

BINS = 66
"""Classes of an angle."""

DEGREES = 3.0
"""From one class of an angle to the next."""

LEAST = -97.5
"""Degrees of the first class of an angle, as in the official code: 3 * 0 - 97.5."""

VARIANCE = 0.01
"""Of the bumps that mark keypoints in the volume."""
