"""The rules of a league: pure functions and frozen records, no I/O, no clock."""
