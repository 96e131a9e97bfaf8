"""What is tuned: attached, scaled, saved, loaded, and read from the files of others."""
