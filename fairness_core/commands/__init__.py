"""What `python -m fairness_core` does: one module a command, each with run(options) -> exit code."""
