"""What the sinks get: the avatar on its canvas, the badge, and the gate before the outputs."""
