"""When a workflow starts by itself: what is written, in instants, on business days, and what becomes of each slot."""
