"""Benchmarks: each prints a table, then one JSON document as its last line."""
