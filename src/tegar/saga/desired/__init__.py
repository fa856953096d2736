"""Rows to what routers are told, one module per noun; nothing here changes a row."""
