"""One module per wire module; ``table`` holds them all."""
