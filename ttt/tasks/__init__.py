"""lm-eval tasks from a bench, task data for the adjustment, and the leaks between the two. Text only."""

import datasets

# Reading local files takes no time worth a bar; downloads from the hub have the hub client's own.
datasets.disable_progress_bars()
# What its readers log before they raise is said again by the error, and their format strings fail on some of it.
datasets.logging.set_verbosity(datasets.logging.CRITICAL)
