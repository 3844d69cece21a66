"""One module a page: its routes, each with the roles that may use it, and what its template shows."""
