"""Adjusting a model in memory: data, loss, loop, checkpoints."""
