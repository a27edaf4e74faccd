"""A small invented world, its prose, its test task, and a ladder of models whose training on the test task is known."""
