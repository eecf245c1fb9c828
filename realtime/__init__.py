"""The live tool: cameras, calibration, pipeline, compositor, sinks and the command line."""
