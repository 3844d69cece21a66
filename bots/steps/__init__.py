"""The step vocabulary, one file a family."""
