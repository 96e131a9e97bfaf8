"""The finetune: targets, losses, steps, checkpoints."""
