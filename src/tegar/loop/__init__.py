"""Reconcilers.  They take no input: read all, compare, act.  One server of the cloud runs them."""
