"""Why a match closed and why a line is open: facts counted from the lines, candidates, causes, proposed entries."""
