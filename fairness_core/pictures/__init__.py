"""Pictures made elsewhere: gathered, read, judged, and kept as what was seen in them."""
