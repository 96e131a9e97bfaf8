"""Values on the page -> what a job is asked for, and back."""
