"""From camera frames to avatar frames: calibration, smoothing, presence."""
