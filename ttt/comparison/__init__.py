"""Cells of a suite to conclusions about its models. Knows no Hydra and no torch, and of MLflow only the Tracker."""
