"""Prompts and noise -> latents -> images, and the way of a gradient back."""
