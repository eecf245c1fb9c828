"""Makes what comes along: the mouth, the face mesh, the landmark networks."""
