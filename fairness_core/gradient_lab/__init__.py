"""The method's two figures, measured on any model."""
