"""Why a match closed and why a line is open: facts recomputed from the lines, candidates, causes and proposed entries."""
