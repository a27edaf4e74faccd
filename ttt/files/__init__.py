"""Files on the disk: a user's tables, models, digests, and what a command leaves for itself."""
