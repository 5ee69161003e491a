"""Endpoints of our own, and those without a better home."""
