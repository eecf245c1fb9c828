"""Virtual cameras: PipeWire, v4l2loopback and what pyvirtualcam reaches."""
