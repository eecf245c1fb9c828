"""Clips of an avatar: how one is made, and the jobs that the page has made of them."""
