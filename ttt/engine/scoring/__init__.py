"""Scoring and generating with a model in memory."""
