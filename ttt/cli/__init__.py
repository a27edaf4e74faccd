"""The command line: composing a request, the jobs of a multirun, what is shown and written."""
