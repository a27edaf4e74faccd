"""ttt: compare language models after the same training on the test task (arXiv 2407.07890)."""
