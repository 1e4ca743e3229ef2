"""Everything that a run produced, in one DuckDB file that one process owns."""
