"""Places where avatar frames go."""
