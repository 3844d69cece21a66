"""Face: the command line's item, review and report verbs, and the run report."""
