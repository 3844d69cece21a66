"""Which cells of a table that nobody prepared are wrong: from no label at all, and from a few labelled records."""
