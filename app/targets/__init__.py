"""The target a visitor chooses: sliders and the table of combinations."""
