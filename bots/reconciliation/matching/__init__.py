"""Matching: two sides in, matches with their evidence out; nothing is decided that the evidence does not decide."""
