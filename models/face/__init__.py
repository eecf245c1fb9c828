"""The face tracker: presence, landmarks and blendshapes, shared by all backends."""
