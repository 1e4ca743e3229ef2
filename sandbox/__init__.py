"""Runs programs that nobody trusts; knows neither leagues nor the wire."""
