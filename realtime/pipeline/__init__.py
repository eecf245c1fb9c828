"""The loops: live, each stage in its own thread, and offline for clips."""
