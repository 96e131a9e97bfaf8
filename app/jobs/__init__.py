"""The background worker, its queue and files, visitors and their limits."""
