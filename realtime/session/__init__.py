"""What is chosen and set in a run: avatars, settings, keys, commands."""
