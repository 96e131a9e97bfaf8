"""Renders the portraits the built-in model learns from: MakeHuman's CC0 people in Blender's Cycles.

Needs mini_world/requirements.txt and MakeHuman's files; see mini_world/README.md. Nothing else of the project needs it.
"""
