"""Training the First Order Motion Model: data, networks in training, losses, loop, metrics."""
