"""Drivers of one kind: ``port`` says what each must do."""
