"""Recordings: video, sound, and the index that makes a file play."""
