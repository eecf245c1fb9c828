"""Long runs under faults, with real devices and programs."""
