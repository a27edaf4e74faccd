"""Statistics of comparisons: numbers in, numbers out."""
