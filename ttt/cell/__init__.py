"""A cell: a model on a bench, before and after adjusting; its key, its run, its items and its result."""
