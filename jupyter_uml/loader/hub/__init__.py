"""Brings models from a hub that speaks Hugging Face's protocol."""
