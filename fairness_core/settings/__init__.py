"""What is asked for, as data: attributes, targets, presets, prompts, a run's settings."""
