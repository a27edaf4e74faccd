"""lm-eval tasks from a bench, task data for the adjustment, and the leaks between the two. Text only."""
