"""lm-eval tasks from a bench, task data for the adjustment, and the leaks between the two. Text only."""

import datasets

# Reading local files takes no time worth a bar; downloads from the hub have the hub client's own.
datasets.disable_progress_bars()
