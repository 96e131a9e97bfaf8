"""Before and after, from the same noises."""
