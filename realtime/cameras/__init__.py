"""Sources of driving frames."""
