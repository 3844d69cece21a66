"""The checks a definition may name: one function each, its parameters beside it."""
