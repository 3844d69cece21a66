"""Side-by-side measurements, never run as tests."""
