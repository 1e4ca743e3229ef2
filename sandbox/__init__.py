"""Runs programs that nobody trusts. Its parts come with the programming league."""
