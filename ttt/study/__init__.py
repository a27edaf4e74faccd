"""Is an adjustment enough? A study of budgets for one model on one bench, and its verdict."""
