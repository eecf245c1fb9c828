"""Stand-ins for the world: a desktop, browsers, OBS, webcams, virtual machines."""
