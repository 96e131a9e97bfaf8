"""The networks that paint, each kind behind one face: what it is told, what it answers, what of it is tuned."""
