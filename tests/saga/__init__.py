"""Sagas and the law they obey."""
