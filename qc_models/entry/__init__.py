"""The entry-quality family: is this record wrong, and in which field? Works on any contract of typed fields."""
