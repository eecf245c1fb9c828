"""What this computer has: cameras and virtual cameras, and how to mend what is missing."""
