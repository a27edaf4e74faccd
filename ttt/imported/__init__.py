"""Result files of the LM Evaluation Harness: which cell a file belongs to, its scores and its items. Needs no torch."""
