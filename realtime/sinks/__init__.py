"""Places for avatar frames. `base` says what one must do, `registry` lists them and chooses."""
