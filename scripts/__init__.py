"""Tools of those who build the product; run as `python -m scripts.ROOM.NAME`."""
